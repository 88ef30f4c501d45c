"""With the target "positive" badly rated interactions stay in the history, but are no targets."""

from dataclasses import replace

import numpy as np
import pytest
from histories import Log, log, rankings

from recstack.errors import DataError
from recstack.evaluation.evaluation_set import EvaluationSet

ROWS = [(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 1, 0), (2, 2, 1), (2, 0, 2), (3, 2, 0), (3, 1, 1), (3, 3, 2)]
RATING = [1, 5, 4, 4, 2, 3.9, 5, 4, 5]
SPLIT = np.array(["train", "train", "test"] * 3)


@pytest.fixture
def history() -> Log:
    return replace(log(ROWS, n_items=4), rating=np.array(RATING))


def cases(history: Log, protocol: str, positive_from: float | None) -> EvaluationSet:
    return rankings(protocol, history, SPLIT, positive_from=positive_from)


@pytest.mark.parametrize("protocol", ["global-time", "leave-last-out", "leave-last-out-99"])
def test_only_well_rated_interactions_are_targets(history: Log, protocol: str) -> None:
    everything, positives = (cases(history, protocol, bound) for bound in (None, 4.0))
    assert everything.user_ids.tolist() == [1, 2, 3]
    assert positives.user_ids.tolist() == [1, 3]
    assert positives.relevant.tolist() == [2, -1]
    assert (everything.positive_from, positives.positive_from) == (None, 4.0)


@pytest.mark.parametrize("protocol", ["global-time", "leave-last-out"])
def test_a_badly_rated_item_stays_in_the_history_and_is_not_ranked(history: Log, protocol: str) -> None:
    positives = cases(history, protocol, 4.0)
    assert sorted(positives.users[0:1].seen.tolist()) == [0, 1]
    assert positives.users.recent[0, :2].tolist() == [1, 0]


def test_only_well_rated_interactions_count_as_trained_on(history: Log) -> None:
    assert cases(history, "leave-last-out", None).item_counts.tolist() == [1, 3, 2, 0]
    assert cases(history, "leave-last-out", 4.0).item_counts.tolist() == [0, 3, 1, 0]


def test_a_part_without_positives_is_refused(history: Log) -> None:
    with pytest.raises(DataError, match="the test part has no interaction that is rated 6 or more"):
        cases(history, "global-time", 6.0)
