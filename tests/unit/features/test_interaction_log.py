"""A feature row that sees a history up to some interaction equals what the slow way makes of the same interactions."""

from pathlib import Path

import brute_force
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from brute_force import Rating
from histories import DAY, Log, random_log
from histories import GENRES as WORDS
from made_up import GENRES, N_GENRES, POSITIONS, RATINGS, REPEATS, UNDATED

from recstack import columns as c
from recstack.features import users_as_of
from recstack.features.batches import UserBatch
from recstack.features.interaction_log import InteractionLog
from recstack.features.users_as_of import UsersAsOf, blocks, in_memory, users_before


def table(ratings: list[Rating]) -> pa.Table:
    """In random order."""
    order = np.random.default_rng(1).permutation(len(ratings))
    user, item, rating, second = zip(*(ratings[row] for row in order), strict=True)
    micros = pa.array([None if s is None else s * 1_000_000 for s in second], pa.int64())
    times = micros.cast(pa.timestamp("us", tz="UTC"))
    return pa.table({c.USER_ID: user, c.ITEM_ID: item, c.RATING: pa.array(rating, pa.float32()), c.TIMESTAMP: times})


@pytest.mark.parametrize("ratings", [RATINGS, REPEATS], ids=["each item once", "repeats"])
def test_features_as_of_any_second_equal_the_slow_way_in_the_order_of_the_rows(ratings: list[Rating]) -> None:
    random = np.random.default_rng(0)
    user_ids = random.integers(0, 28, 90)  # 0, 26 and 27 never rated, and user 3 of the second log rated once
    user_ids[-30:] = user_ids[:30]
    seconds = 1_000_000_000 + random.integers(-1, 13, 90) * DAY + random.integers(0, 4, 90)
    seconds[-15:] = seconds[:15]
    found = InteractionLog.of(table(ratings)).before(user_ids, seconds)
    rows = found.features(np.arange(90), GENRES).to_pylist()
    n_items = found.n_items(np.arange(1, 91)).tolist()
    for row, user, second, count in zip(rows, user_ids.tolist(), seconds.tolist(), n_items, strict=True):
        history = brute_force.known(ratings, user, second)
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))
        assert count == len({r.item for r in history})


@pytest.mark.parametrize("ratings", [RATINGS, UNDATED], ids=["timed", "without time"])
def test_without_seconds_everything_is_known(ratings: list[Rating]) -> None:
    user_ids = np.array([5, 404, 2, 5])
    found = InteractionLog.of(table(ratings)).before(user_ids)
    for row, user in zip(found.features(np.arange(4), GENRES).to_pylist(), user_ids.tolist(), strict=True):
        history = brute_force.known(ratings, user, None)
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))


def test_without_time_a_row_knows_all_interactions_of_its_user_but_its_own() -> None:
    drawn = [UNDATED[row] for row in np.random.default_rng(0).integers(0, len(UNDATED), 120)]
    user_ids, item_ids = (np.array(column) for column in zip(*((r.user, r.item) for r in drawn), strict=True))
    found = InteractionLog.of(table(UNDATED)).without_each(user_ids, item_ids)
    n_items = found.n_items(np.arange(1, 91)).tolist()
    for row, own, count in zip(found.features(np.arange(120), GENRES).to_pylist(), drawn, n_items, strict=True):
        others = [r for r in UNDATED if r.user == own.user and r.item != own.item]
        brute_force.assert_equal(row, brute_force.features(others, POSITIONS, N_GENRES))
        assert count == len(others)


def test_an_interaction_that_is_not_there_cannot_be_left_out() -> None:
    found = InteractionLog.of(table(UNDATED))
    # User 0 is unknown, and the next one is user 1, who has this item.
    for user, item in ((UNDATED[0].user, 4_000), (404, UNDATED[0].item), (0, UNDATED[0].item)):
        with pytest.raises(ValueError, match="not in the log"):
            found.without_each(np.array([user]), np.array([item]))
    with pytest.raises(ValueError, match="not in the log"):
        InteractionLog.of(table(UNDATED).slice(0, 0)).without_each(np.array([1]), np.array([1]))


def test_only_items_of_the_catalogue_are_counted() -> None:
    found = InteractionLog.of(table(UNDATED)).without_each(*np.array([[r.user, r.item] for r in UNDATED]).T)
    catalogue = np.arange(1, 91, 2)
    right = [sum(r.user == own.user and r.item != own.item and r.item in catalogue for r in UNDATED) for own in UNDATED]
    assert found.n_items(catalogue).tolist() == right


def test_parts_of_the_split_are_read_from_the_tables(tmp_path: Path) -> None:
    history = random_log()
    split = np.where(history.time < 30 * DAY, "train", "test")
    pq.write_table(history.table(split), tmp_path / "interactions")
    early = InteractionLog.read(tmp_path, ("train",))
    assert (len(early.item), len(InteractionLog.read(tmp_path).item)) == ((split == "train").sum(), len(split))
    assert early.second is not None
    assert early.second.max() < 30 * DAY


def assert_same(batch: UserBatch, other: UserBatch) -> None:
    for name in ("genres", "scalars", "recent", "recent_ratings", "seen_offsets", "seen", "seen_ratings", "ids"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name), err_msg=name)


def large(history: Log) -> UsersAsOf:
    encoder = history.encoder()
    known = history.known().before(history.user, history.time)
    return UsersAsOf(known, history.genres, encoder, history.user, history.time)


def test_users_that_are_computed_where_they_are_read_equal_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    history = random_log()
    users = large(history)
    kept = in_memory(users)
    assert isinstance(kept, UserBatch)
    assert kept.genres.shape == (len(history.user), len(WORDS))
    rows = np.random.default_rng(0).integers(0, len(users), 200)
    assert_same(users.take(rows), kept.take(rows))
    assert_same(users[7:100], kept[7:100])
    assert_same(users[7:7], kept[7:7])
    assert users.known.tolist() == kept.known.tolist()
    with pytest.raises(ValueError, match="contiguous"):
        users[::2]
    monkeypatch.setattr(users_as_of, "BLOCK", 700)
    parts = list(blocks(users))
    assert len(parts) > 20
    assert_same(UserBatch.concatenate(parts), kept)


def test_more_rows_than_fit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    history = random_log()
    arguments = (history.known(), history.genres, history.encoder(), history.user, history.time, history.time)
    assert isinstance(users_before(*arguments), UserBatch)
    monkeypatch.setattr(users_as_of, "KEPT", 100)
    assert isinstance(users_before(*arguments), UsersAsOf)
