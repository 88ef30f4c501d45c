from dataclasses import replace

import numpy as np
import pytest
from histories import Log, log, random_log

from recstack.features.batches import UserBatch
from recstack.models.learning.windows import MAX_UNSHARED_ROWS, Windows, known_first, windows
from recstack.models.training_data import TrainingData


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


def cut(data: TrainingData, length: int) -> Windows:
    everything = np.arange(len(data.item))
    return windows(data, everything, np.ones(len(data.items), dtype=bool), length, np.random.default_rng(0))


def histories(found: Windows) -> dict[int, list[int]]:
    """What each training row sees, newest first."""
    owner = np.repeat(np.arange(len(found)), np.diff(found.offsets))
    return {
        int(row): found.items[window, :size][::-1].tolist()
        for row, window, size in zip(found.rows, owner, found.lengths, strict=True)
    }


def long_log() -> Log:
    """Three users with up to 120 items, of which some share a timestamp."""
    random = np.random.default_rng(3)
    sizes = (120, 37, 4)
    rows = [
        (user, int(item), int(rank) // 2)
        for user, size in enumerate(sizes)
        for rank, item in enumerate(random.permutation(150)[:size])
    ]
    return log(rows, 150)


def without_time(data: TrainingData) -> TrainingData:
    """Each row knows all other items of its user, as in data without time."""
    rows = []
    for user, item in zip(data.user, data.item, strict=True):
        others = data.item[(data.user == user) & (data.item != item)]
        rows.append(others[::-1])
    recent = np.full_like(data.users.recent, -1)
    for row, items in zip(recent, rows, strict=True):
        row[: len(items)] = items[:50]
    seen_offsets = np.append(0, np.cumsum([len(items) for items in rows]))
    seen, ratings = np.concatenate(rows), np.zeros(seen_offsets[-1], dtype=np.float16)
    users = replace(data.users, recent=recent, seen=seen, seen_ratings=ratings, seen_offsets=seen_offsets)
    return replace(data, users=users)


@pytest.mark.parametrize("length", [1, 7, 50])
def test_every_row_sees_the_newest_items_before_it_and_nothing_else(length: int) -> None:
    data = training(long_log())
    seen = histories(cut(data, length))
    assert sorted(seen) == list(range(len(data.item)))
    for row, items in seen.items():
        recent = data.users.recent[row]
        right = recent[recent >= 0].tolist()
        assert items == right[: len(items)]
        assert len(items) >= min(len(right), length // 2)
        if np.diff(data.users.seen_offsets)[row] <= length:
            assert items == right


def test_rows_with_equal_timestamps_do_not_see_each_other() -> None:
    data = training(log([(0, 5, 0), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 2)], 6))
    assert histories(cut(data, 50)) == {0: [], 1: [5], 2: [5], 3: [5], 4: [3, 2, 1, 5]}


def test_overlapping_histories_share_windows() -> None:
    data = training(long_log())
    found = cut(data, 50)
    assert len(found) <= 2 + (120 - 50) // 25 + 2
    assert (found.items >= 0).any(axis=1).all()


def test_ratings_stand_beside_their_items() -> None:
    history = random_log()
    history = replace(history, rating=np.random.default_rng(0).integers(1, 6, len(history.user)).astype(float))
    data = training(history)
    found = cut(data, 50)
    owner = np.repeat(np.arange(len(found)), np.diff(found.offsets))
    for row, window, size in zip(found.rows, owner, found.lengths, strict=True):
        expected = data.users.recent_ratings[row][data.users.recent[row] >= 0]
        assert found.ratings[window, :size][::-1].tolist() == expected.tolist()


def test_without_time_a_row_has_a_window_of_its_own_and_few_rows_of_a_user_are_learned_from() -> None:
    data = without_time(training(random_log()))
    seen = histories(cut(data, 50))
    for row, items in seen.items():
        recent = data.users.recent[row]
        assert items == recent[recent >= 0].tolist()
        assert data.item[row] not in items
    counts = np.bincount(data.user[list(seen)])
    assert counts.max() <= MAX_UNSHARED_ROWS + 1  # the last row's history may be a prefix
    assert (counts >= np.minimum(np.bincount(data.user), MAX_UNSHARED_ROWS)).all()


def test_only_the_given_rows_are_learned_from() -> None:
    data = training(long_log())
    rows = np.flatnonzero(data.user == 1)
    found = windows(data, rows, np.ones(150, dtype=bool), 50, np.random.default_rng(0))
    assert sorted(found.rows.tolist()) == rows.tolist()
    assert len(windows(data, rows[:0], np.ones(150, dtype=bool), 50, np.random.default_rng(0))) == 0


def test_unknown_items_leave_no_gap() -> None:
    users: UserBatch = training(long_log()).users[60:61]
    recent = users.recent.copy()
    recent[0, 1] = -1
    trained = np.ones(150, dtype=bool)
    trained[recent[0, 3]] = False
    items, ratings = known_first(recent, users.recent_ratings, trained, 10)
    expected = [item for rank, item in enumerate(recent[0].tolist()) if rank not in (1, 3)][:10]
    assert items[0].tolist() == expected
    assert ratings.shape == (1, 10)
