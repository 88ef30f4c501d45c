import numpy as np
import pytest
from histories import viewers

from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.history import decay_weights, equal_weights, power_weights


def test_without_a_recency_power_every_item_weighs_one() -> None:
    users = viewers([2, 0], [], [3])
    assert power_weights(users, 4, 0.0).toarray().tolist() == [[1, 0, 1, 0], [0] * 4, [0, 0, 0, 1]]
    assert equal_weights(users, 4).toarray().tolist() == [[1, 0, 1, 0], [0] * 4, [0, 0, 0, 1]]


def test_the_rth_newest_item_weighs_r_to_the_minus_recency_power() -> None:
    weights = power_weights(viewers([2, 0, 3]), 4, 1.0).toarray()
    np.testing.assert_allclose(weights, [[1 / 2, 0, 1, 1 / 3]], rtol=1e-6)


def test_items_whose_order_is_not_known_weigh_what_the_next_rank_would() -> None:
    items = list(range(RECENT_LENGTH + 5))
    weights = power_weights(viewers(items), len(items), 1.0).toarray()[0]
    np.testing.assert_allclose(weights[:RECENT_LENGTH], 1 / np.arange(1, RECENT_LENGTH + 1), rtol=1e-5)
    np.testing.assert_allclose(weights[RECENT_LENGTH:], 1 / (RECENT_LENGTH + 1), rtol=1e-6)


def test_with_a_recency_decay_each_older_item_weighs_a_factor_less() -> None:
    weights = decay_weights(viewers([2, 0, 3]), 4, 0.5).toarray()
    np.testing.assert_allclose(weights, [[0.5, 0, 1, 0.25]], rtol=1e-6)


def test_the_base_weighs_every_item_of_the_history_alone_or_on_top_of_the_decay() -> None:
    items = list(range(RECENT_LENGTH + 5))
    weights = decay_weights(viewers(items), len(items), 0.5, 0.1).toarray()[0]
    np.testing.assert_allclose(weights[:3], [1.1, 0.6, 0.35], rtol=1e-6)
    np.testing.assert_allclose(weights[RECENT_LENGTH:], 0.1, rtol=1e-6)
    np.testing.assert_allclose(decay_weights(viewers(items), len(items), 0.0, 0.1).toarray(), 0.1, rtol=1e-6)


def test_an_item_outside_the_catalogue_keeps_its_rank() -> None:
    users = viewers([1, 0])
    users.recent[0, :3] = [1, -1, 0]
    assert power_weights(users, 2, 1.0).toarray()[0] == pytest.approx([1 / 3, 1])
