from dataclasses import replace

import numpy as np
import pytest
from histories import log

from recstack.errors import UserError
from recstack.models.training_data import TrainingData


@pytest.fixture
def data() -> TrainingData:
    history = log([(5, 0, 0), (5, 2, 1), (9, 2, 0)], n_items=4)
    return history.training(history.encoder())


def test_interactions_are_counted_by_item_and_by_user(data: TrainingData) -> None:
    assert data.n_users == 2
    assert data.item_counts.tolist() == [1, 0, 2, 0]
    assert data.popularity_share.tolist() == [0.5, 0, 1, 0]
    assert data.by_user().toarray().tolist() == [[1, 0, 1, 0], [0, 0, 1, 0]]


def test_equal_timestamps_are_no_time(data: TrainingData) -> None:
    assert data.has_time
    assert not replace(data, timestamp=np.full(3, 86_400)).has_time


def test_rows_of_users_that_the_filter_leaves_out_are_not_eligible(data: TrainingData) -> None:
    assert replace(data, eligible=np.array([False, True, True])).eligible_rows("toy").tolist() == [1, 2]
    with pytest.raises(UserError, match="nothing for toy to learn from: the training filter admits none"):
        replace(data, eligible=np.zeros(3, dtype=bool)).eligible_rows("toy")


def test_an_empty_training_part_is_refused_by_name(data: TrainingData) -> None:
    empty = np.zeros(0, dtype=np.int64)
    with pytest.raises(UserError, match="nothing for toy to learn from: the training part is empty"):
        replace(data, user=empty, item=empty).require_rows("toy")
