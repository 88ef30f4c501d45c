from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import brute_force
import numpy as np
import pytest
from brute_force import DAY, Rating
from made_up import GENRES, N_GENRES, POSITIONS, RATINGS, REPEATS, UNDATED
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.synthetic import Synthetic
from recstack.data.contract import INTERACTIONS
from recstack.data.timestamps import TIMELESS
from recstack.features import user, vocabulary


def frame(spark: SparkSession, ratings: list[Rating]) -> DataFrame:
    rows = [(r.user, r.item, r.rating, r.second and datetime.fromtimestamp(r.second, UTC)) for r in ratings]
    return spark.createDataFrame(rows, INTERACTIONS)


@pytest.fixture(scope="module")
def snapshots(spark: SparkSession) -> list[dict]:
    return user.snapshots(frame(spark, RATINGS), GENRES, "interaction").frame().toArrow().to_pylist()


@pytest.fixture
def small_batches(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arrow batches of 7 rows, and so little memory that every user is computed on their own."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    spark.conf.set(name, "7")
    monkeypatch.setattr(user, "_CELLS", 1)
    yield
    spark.conf.set(name, before)


def in_order(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row[c.USER_ID], row[c.EVENT_TIMESTAMP]))


def test_every_snapshot_equals_the_slow_way(snapshots: list[dict]) -> None:
    assert len(snapshots) == len({(r.user, r.second) for r in RATINGS})
    for row in snapshots:
        history = brute_force.known(RATINGS, row[c.USER_ID], int(row[c.EVENT_TIMESTAMP].timestamp()))
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))


def test_repeated_items_count_each_time_and_are_listed_once_with_what_was_newest_then(spark: SparkSession) -> None:
    rows = user.snapshots(frame(spark, REPEATS), GENRES, "day").frame().toArrow().to_pylist()
    for row in rows:
        history = brute_force.known(REPEATS, row[c.USER_ID], int(row[c.EVENT_TIMESTAMP].timestamp()))
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))
    last = max((row for row in rows if row[c.USER_ID] == 2), key=lambda row: row[c.EVENT_TIMESTAMP])
    assert last[c.RATING_COUNT] > 1_400 > len(last[c.SEEN_RATINGS]) // 2 > len(last[c.RECENT_ITEMS]) == 19


def test_a_later_event_changes_no_row_before_it(spark: SparkSession) -> None:
    plays = [Rating(1, 7, 1.0, 1_000_000_001), Rating(1, 8, 1.0, 1_000_000_002), Rating(1, 7, 2.0, 1_000_000_003)]
    for known in (plays[:2], plays):
        rows = in_order(user.snapshots(frame(spark, known), GENRES, "interaction").frame().toArrow().to_pylist())
        assert [row[c.RECENT_ITEMS] for row in rows] == [[7], [8, 7], [7, 8]][: len(known)]
        assert [row[c.RECENT_RATINGS] for row in rows] == [[1.0], [1.0, 1.0], [2.0, 1.0]][: len(known)]
        assert [row[c.RATING_COUNT] for row in rows] == [1, 2, 3][: len(known)]


def test_a_snapshot_has_the_timestamp_one_second_after_its_last_interaction(snapshots: list[dict]) -> None:
    timestamps = {(row[c.USER_ID], int(row[c.EVENT_TIMESTAMP].timestamp())) for row in snapshots}
    assert timestamps == {(r.user, r.second + 1) for r in RATINGS if r.second is not None}


def test_daily_snapshots_have_the_timestamp_of_the_next_midnight_and_equal_the_slow_way(spark: SparkSession) -> None:
    rows = user.snapshots(frame(spark, RATINGS), GENRES, "day").frame().toArrow().to_pylist()
    timestamps = {(row[c.USER_ID], int(row[c.EVENT_TIMESTAMP].timestamp())) for row in rows}
    assert timestamps == {(r.user, (r.second // DAY + 1) * DAY) for r in RATINGS if r.second is not None}
    assert len(rows) == len(timestamps)
    for row in rows:
        history = brute_force.known(RATINGS, row[c.USER_ID], int(row[c.EVENT_TIMESTAMP].timestamp()))
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))


def test_users_that_span_arrow_batches_get_the_same_features(
    spark: SparkSession, snapshots: list[dict], small_batches: None
) -> None:
    again = user.snapshots(frame(spark, RATINGS), GENRES, "interaction").frame().toArrow().to_pylist()
    assert in_order(again) == in_order(snapshots)


def test_data_without_timestamps_has_one_row_a_user_dated_before_any_request(spark: SparkSession) -> None:
    rows = user.snapshots(frame(spark, UNDATED), GENRES, "interaction").frame().toArrow().to_pylist()
    assert sorted(row[c.USER_ID] for row in rows) == sorted({r.user for r in UNDATED})
    for row in rows:
        assert row[c.EVENT_TIMESTAMP] == datetime.fromtimestamp(TIMELESS, UTC)
        history = brute_force.known(UNDATED, row[c.USER_ID], None)
        brute_force.assert_equal(row, brute_force.features(history, POSITIONS, N_GENRES))


def naive_profiles(spark: SparkSession, interactions: DataFrame, items: DataFrame, words: tuple[str, ...]) -> dict:
    """Explode, join, group, pivot: the first idea."""
    interactions.createOrReplaceTempView("naive_interactions")
    items.createOrReplaceTempView("naive_items")
    scores = spark.sql(
        """
        SELECT user_id, genre, 10 / (1 + EXP(-0.1 * AVG(rating) * LN(1 + COUNT(*)))) AS score
        FROM naive_interactions JOIN (SELECT item_id, EXPLODE(genres) AS genre FROM naive_items) USING (item_id)
        GROUP BY user_id, genre
        """
    )
    wide = scores.groupBy("user_id").pivot("genre", list(words)).agg(F.first("score")).fillna(5.0).collect()
    return {row["user_id"]: [row[word] for word in words] for row in wide}


def assert_profiles_equal_the_naive_ones(
    spark: SparkSession, interactions: DataFrame, items: DataFrame, at_least: int
) -> None:
    catalogue = items.select(c.ITEM_ID, c.GENRES).toArrow()
    words = vocabulary.extend((), {g for genres in catalogue[c.GENRES].to_pylist() for g in genres})
    genres = vocabulary.item_genres(catalogue, words)
    newest: dict[int, dict] = {}
    for row in in_order(user.snapshots(interactions, genres, "interaction").frame().toArrow().to_pylist()):
        newest[row[c.USER_ID]] = row
    naive = naive_profiles(spark, interactions, items, words)
    assert len(naive) >= at_least
    for person, row in newest.items():
        right = naive.get(person, [5.0] * len(words))
        np.testing.assert_allclose(row[c.GENRE_PROFILE], right, rtol=0, atol=1e-5)


def test_the_profile_of_synthetic_users_equals_explode_and_group_by(spark: SparkSession) -> None:
    made = Synthetic(n_users=150, n_items=120, n_genres=30, mean_ratings=25, seed=5)
    interactions, items = made.read_interactions(spark, Path()).cache(), made.read_items(spark, Path())
    assert_profiles_equal_the_naive_ones(spark, interactions, items, at_least=150)


def test_the_profile_of_hand_made_rows_equals_explode_and_group_by(spark: SparkSession) -> None:
    items = spark.createDataFrame(
        [(1, ["war"]), (2, ["comedy", "war"]), (3, []), (4, ["comedy"]), (5, ["science fiction"])],
        f"{c.ITEM_ID} long, {c.GENRES} array<string>",
    )
    rows = [(1, 1, 5.0, 10), (1, 2, 0.5, 10), (1, 4, 3.0, 20), (2, 3, 4.0, 30), (3, 5, 0.5, 30), (3, 1, 0.5, 31)]
    assert_profiles_equal_the_naive_ones(spark, frame(spark, [Rating(*row) for row in rows]), items, at_least=2)
