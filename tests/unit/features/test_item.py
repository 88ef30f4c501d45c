from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from brute_force import DAY
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.data.contract import INTERACTIONS, ITEMS
from recstack.data.timestamps import TIMELESS
from recstack.features import item

VOCABULARY = ("war", "comedy")
CATALOGUE = [
    (1, "a", ["comedy", "war"], 1990, "TV", 12, 7.25),
    (2, "b", ["war"], None, None, None, None),
    (3, "c", [], 2001, "MOVIE", 1, 8.5),
]
FIRST = 1_000_000_000


def interactions(spark: SparkSession, pairs: list[tuple[int, int | None]]) -> DataFrame:
    rows = [(n, i, 3.0, s if s is None else datetime.fromtimestamp(s, UTC)) for n, (i, s) in enumerate(pairs)]
    return spark.createDataFrame(rows, INTERACTIONS)


def snapshots(spark: SparkSession, pairs: list[tuple[int, int | None]]) -> list[dict]:
    items = spark.createDataFrame(CATALOGUE, ITEMS)
    return item.snapshots(interactions(spark, pairs), items, VOCABULARY).toArrow().to_pylist()


def log(days: int, size: int = 400) -> list[tuple[int, int | None]]:
    """Items 1 and 2 at random seconds, borders of days and of weeks among them; item 3 never."""
    random = np.random.default_rng(1)
    seconds = FIRST + random.integers(0, days * DAY, size)
    seconds[::4] = FIRST // DAY * DAY + random.integers(1, days, size)[::4] * DAY
    return [(int(i), int(s)) for i, s in zip(random.integers(1, 3, size), seconds, strict=True)] + [(1, FIRST)]


@pytest.mark.parametrize("days", [40, 800], ids=["a week apart", "further apart"])
def test_popularity_at_every_date_equals_a_count_over_the_log(spark: SparkSession, days: int) -> None:
    pairs = log(days)
    rows = snapshots(spark, pairs)
    dates = sorted({int(row[c.EVENT_TIMESTAMP].timestamp()) for row in rows})
    assert len(rows) == len(dates) * len(CATALOGUE)
    for row in rows:
        date = int(row[c.EVENT_TIMESTAMP].timestamp())
        before = [s for i, s in pairs if i == row[c.ITEM_ID] and s is not None and s < date]
        assert row[c.POPULARITY_ALL] == len(before)
        assert row[c.POPULARITY_7D] == sum(s >= date - 7 * DAY for s in before)
        assert row[c.POPULARITY_30D] == sum(s >= date - 30 * DAY for s in before)


@pytest.mark.parametrize("days", [2, 40, 8_000])
def test_the_newest_date_is_the_midnight_after_the_last_interaction(spark: SparkSession, days: int) -> None:
    pairs = log(days)
    last = max(s for _, s in pairs if s is not None)
    newest = max(int(row[c.EVENT_TIMESTAMP].timestamp()) for row in snapshots(spark, pairs))
    assert newest % DAY == 0
    assert 0 < newest - last <= DAY


def test_what_serving_reads_of_a_long_log_counts_its_last_days(spark: SparkSession) -> None:
    start = FIRST // DAY * DAY
    pairs = [(1, start + day * DAY) for day in range(22 * 365)]
    newest = max(snapshots(spark, pairs), key=lambda row: (row[c.EVENT_TIMESTAMP], row[c.ITEM_ID] == 1))
    assert (newest[c.POPULARITY_7D], newest[c.POPULARITY_30D], newest[c.POPULARITY_ALL]) == (7, 30, 22 * 365)


def test_dates_are_regular_and_the_first_of_them_sees_nothing(spark: SparkSession) -> None:
    pairs = log(40)
    rows = snapshots(spark, pairs)
    dates = sorted({row[c.EVENT_TIMESTAMP] for row in rows})
    assert {later - earlier for earlier, later in pairwise(dates)} == {timedelta(days=7)}
    assert dates[0].timestamp() <= min(s for _, s in pairs if s is not None)
    assert not any(row[c.POPULARITY_ALL] for row in rows if row[c.EVENT_TIMESTAMP] == dates[0])


def test_a_log_of_one_timestamp_has_a_date_before_it_and_one_after(spark: SparkSession) -> None:
    rows = [row for row in snapshots(spark, [(1, FIRST), (2, FIRST)]) if row[c.ITEM_ID] == 1]
    assert sorted(row[c.POPULARITY_ALL] for row in rows) == [0, 1]


@pytest.mark.parametrize("first", [FIRST, FIRST // DAY * DAY, FIRST // DAY * DAY - 1, -3_000_000_000])
@pytest.mark.parametrize("days", [0, 1, 6, 7, 8, 400, 7 * (item.MOST_SNAPSHOTS - 1), 3_650, 36_500])
def test_each_log_has_dates_around_it_a_week_apart_until_there_would_be_too_many(first: int, days: int) -> None:
    last = first + days * DAY
    dates = item.snapshot_dates(first, last)
    assert dates[0] <= first < dates[1]
    assert dates[-2] <= last < dates[-1] <= last + DAY
    assert len(dates) <= item.MOST_SNAPSHOTS
    shorter = dates.step - DAY
    assert dates.step == 7 * DAY or (dates[-1] - dates[0]) / shorter > item.MOST_SNAPSHOTS - 1


def test_dates_before_1970_count_as_all_others_do(spark: SparkSession) -> None:
    start = -3_000_000_000 // DAY * DAY
    rows = snapshots(spark, [(1, start), (1, start + DAY), (1, start + 20 * DAY)])
    counts = {row[c.EVENT_TIMESTAMP]: row[c.POPULARITY_ALL] for row in rows if row[c.ITEM_ID] == 1}
    assert [counts[date] for date in sorted(counts)] == [0, 2, 2, 3]


def test_every_row_has_the_facts_of_its_item_and_missing_ones_are_null(spark: SparkSession) -> None:
    rows = snapshots(spark, log(40))
    facts = {
        row[c.ITEM_ID]: [row[n] for n in (c.GENRE_INDICES, c.YEAR, c.TYPE, c.EPISODES, c.MEAN_SCORE)] for row in rows
    }
    assert facts == {
        1: [[1, 0], 1990, "TV", 12, 7.25],
        2: [[0], None, None, None, None],
        3: [[], 2001, "MOVIE", 1, 8.5],
    }


def test_data_without_time_count_everything_once_and_have_no_windows(spark: SparkSession) -> None:
    rows = snapshots(spark, [(1, None), (1, None), (2, None)])
    assert sorted((row[c.ITEM_ID], row[c.POPULARITY_ALL]) for row in rows) == [(1, 2), (2, 1), (3, 0)]
    for row in rows:
        assert row[c.POPULARITY_7D] is row[c.POPULARITY_30D] is None
        assert row[c.EVENT_TIMESTAMP] == datetime.fromtimestamp(TIMELESS, UTC)


def test_a_catalogue_without_genres_gives_items_without_genres(spark: SparkSession) -> None:
    items = spark.createDataFrame([(1, "a", [], None, None, None, None)], ITEMS)
    rows = item.snapshots(interactions(spark, [(1, FIRST)]), items, ()).toArrow().to_pylist()
    assert [row[c.GENRE_INDICES] for row in rows] == [[], []]
