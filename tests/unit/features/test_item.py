from datetime import UTC, datetime

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


def test_dates_are_regular_and_reach_from_before_the_first_interaction_to_after_the_last(spark: SparkSession) -> None:
    pairs = log(40)
    dates = sorted({int(row[c.EVENT_TIMESTAMP].timestamp()) for row in snapshots(spark, pairs)})
    seconds = [s for _, s in pairs if s is not None]
    assert dates[0] <= min(seconds)
    assert dates[-1] > max(seconds)
    assert set(np.diff(dates)) == {7 * DAY}


def test_a_log_of_one_timestamp_has_a_date_before_it_and_one_after(spark: SparkSession) -> None:
    rows = [row for row in snapshots(spark, [(1, FIRST), (2, FIRST)]) if row[c.ITEM_ID] == 1]
    assert sorted(row[c.POPULARITY_ALL] for row in rows) == [0, 1]


def test_intervals_are_weeks_until_the_log_is_too_long_for_them() -> None:
    assert item.interval_days(FIRST, FIRST) == 7
    assert item.interval_days(FIRST, FIRST + 7 * item.MOST_SNAPSHOTS * DAY) == 7
    for years in (3, 10, 25):
        days = years * 365
        step = item.interval_days(FIRST, FIRST + days * DAY)
        assert days / step <= item.MOST_SNAPSHOTS < days / (step - 1)


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
