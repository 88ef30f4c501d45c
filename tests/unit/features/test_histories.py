import numpy as np
from brute_force import leave_each_out

from recstack.features.histories import Histories, Past

# User 1 has the first three interactions, user 2 the last two.
VALUES = np.array([10, 11, 12, 20, 21])


def of(size: int, has_timestamps: bool = True) -> Histories:
    return Histories(np.arange(size), np.ones(size), np.arange(size), has_timestamps)


def test_the_first_and_the_last_interaction_are_those_that_a_row_may_see() -> None:
    past = Past(of(5), start=np.array([0, 0, 3]), end=np.array([1, 3, 5]))
    assert past.first(VALUES).tolist() == [10, 10, 20]
    assert past.last(VALUES).tolist() == [10, 12, 21]


def test_the_first_and_the_last_interaction_are_never_the_one_that_is_left_out() -> None:
    past = leave_each_out(of(5, has_timestamps=False), np.array([0, 3]), np.array([3, 5]))
    assert past.first(VALUES).tolist() == [11, 10, 10, 21, 20]
    assert past.last(VALUES).tolist() == [12, 12, 11, 21, 20]


def test_a_row_that_sees_nothing_is_no_error() -> None:
    border, nothing = np.array([0, 5]), np.zeros(1, dtype=np.int64)
    for past, values in ((Past(of(5), border, border), VALUES), (Past(of(0), nothing, nothing), VALUES[:0])):
        assert len(past.first(values)) == len(past.last(values)) == len(past.start)
