import numpy as np
import pytest
from histories import viewers

from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.history import faded


def test_without_fading_every_item_weighs_one() -> None:
    assert faded(viewers([2, 0], [], [3]), 4, 0.0).toarray().tolist() == [[1, 0, 1, 0], [0] * 4, [0, 0, 0, 1]]


def test_the_rth_newest_item_weighs_r_to_the_minus_fading() -> None:
    weights = faded(viewers([2, 0, 3]), 4, 1.0).toarray()
    np.testing.assert_allclose(weights, [[1 / 2, 0, 1, 1 / 3]], rtol=1e-6)


def test_items_whose_order_is_not_known_weigh_what_the_next_rank_would() -> None:
    items = list(range(RECENT_LENGTH + 5))
    weights = faded(viewers(items), len(items), 1.0).toarray()[0]
    np.testing.assert_allclose(weights[:RECENT_LENGTH], 1 / np.arange(1, RECENT_LENGTH + 1), rtol=1e-5)
    np.testing.assert_allclose(weights[RECENT_LENGTH:], 1 / (RECENT_LENGTH + 1), rtol=1e-6)


def test_an_item_outside_the_catalogue_keeps_its_rank() -> None:
    users = viewers([1, 0])
    users.recent[0, :3] = [1, -1, 0]
    assert faded(users, 2, 1.0).toarray()[0] == pytest.approx([1 / 3, 1])
