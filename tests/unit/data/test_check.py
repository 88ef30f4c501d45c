"""The contract's check rejects each kind of bad row, counts it once, and lets everything else through."""

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.data.check import check_interactions, check_items
from recstack.data.checked import Checked
from recstack.data.contract import INTERACTIONS, ITEMS, MAX_ITEM_ID

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
UNKNOWN = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(1900, 1, 1, tzinfo=UTC),
]
REAL = [
    datetime(1840, 1, 1, tzinfo=UTC),
    datetime(1890, 5, 4, tzinfo=UTC),
    datetime(1970, 1, 2, tzinfo=UTC),
    NOW + timedelta(days=1),
]
GOOD = [(user, item, 3.0, EARLY) for user in range(10) for item in (1, 2)]

Interaction = tuple[int | None, int | None, float | None, datetime | None]


def catalogue(spark: SparkSession) -> DataFrame:
    rows = [(item, "t", [], None, None, None, None) for item in (1, 2, 3, MAX_ITEM_ID)]
    return spark.createDataFrame(rows, ITEMS)


def checked(spark: SparkSession, rows: list[Interaction], *, has_timestamps: bool = True) -> Checked:
    frame = spark.createDataFrame(rows, INTERACTIONS)
    return check_interactions(
        frame, catalogue(spark), rating_min=0.5, rating_max=5.0, has_timestamps=has_timestamps, now=NOW
    )


def counts(check: Checked) -> tuple[int, int, dict[str, int]]:
    """Rows that were kept, that were there before, and that were rejected, by reason."""
    counts = check.counts()
    return counts.kept, counts.repeated, counts.rejected


def test_each_kind_of_bad_interaction_is_counted_under_its_own_reason(spark: SparkSession) -> None:
    bad: dict[str, list[Interaction]] = {
        "null_id": [(None, 1, 3.0, EARLY), (1, None, 3.0, EARLY)],
        "id_out_of_range": [(-1, 1, 3.0, EARLY), (1, -1, 3.0, EARLY), (1, MAX_ITEM_ID + 1, 3.0, EARLY)],
        "null_rating": [(50, 1, None, EARLY), (51, 1, float("nan"), EARLY)],
        "rating_out_of_range": [(52, 1, 0.0, EARLY), (53, 1, 5.5, EARLY), (54, 1, float("inf"), EARLY)],
        "null_timestamp": [(55, 1, 3.0, None)],
        "unknown_timestamp": [(57 + n, 1, 3.0, time) for n, time in enumerate(UNKNOWN)],
        "future_timestamp": [(70, 1, 3.0, NOW + timedelta(days=1, seconds=1))],
        "orphan_item": [(56, 99, 3.0, EARLY)],
        "timestamp_out_of_range": [(71, 1, 3.0, datetime(1839, 12, 31, 23, 59, 59, tzinfo=UTC))],
    }
    repeated: Interaction = (1, 1, 2.0, EARLY)
    check = checked(
        spark, [*GOOD, repeated, (80, MAX_ITEM_ID, 5.0, EARLY), *(row for rows in bad.values() for row in rows)]
    )
    kept = check.rows.collect()

    assert counts(check) == (len(GOOD) + 1, 1, {reason: len(rows) for reason, rows in bad.items()})
    assert {reason: row[c.USER_ID] for reason, row in check.counts().first.items()} == {
        reason: min(rows, key=lambda row: (row[0] is not None, row[0]))[0] for reason, rows in bad.items()
    }
    assert len(kept) == len(GOOD) + 1
    assert (80, MAX_ITEM_ID) in {(row[c.USER_ID], row[c.ITEM_ID]) for row in kept}


def test_a_repeated_pair_is_a_row_of_its_own_at_each_time_and_the_highest_of_one_time(spark: SparkSession) -> None:
    rows: list[Interaction] = [(1, 1, 2.0, LATE), (1, 1, 5.0, EARLY), (2, 1, 2.0, EARLY), (2, 1, 4.0, EARLY)]
    for order in (rows, rows[::-1]):
        check = checked(spark, order)
        kept = {(row[c.USER_ID], row[c.RATING], row[c.TIMESTAMP].replace(tzinfo=UTC)) for row in check.rows.collect()}
        assert kept == {(1, 2.0, LATE), (1, 5.0, EARLY), (2, 4.0, EARLY)}
        assert counts(check) == (3, 1, {})


def test_a_bad_row_never_displaces_a_good_one_of_the_same_pair(spark: SparkSession) -> None:
    check = checked(spark, [(1, 1, 99.0, EARLY), (1, 1, 3.0, EARLY)])
    assert [row[c.RATING] for row in check.rows.collect()] == [3.0]
    assert counts(check) == (1, 0, {"rating_out_of_range": 1})


def test_timestamps_may_be_missing_where_the_dataset_has_none(spark: SparkSession) -> None:
    check = checked(spark, [(1, 1, 2.0, None), (1, 1, 4.0, None)], has_timestamps=False)
    assert [row[c.RATING] for row in check.rows.collect()] == [4.0]
    assert counts(check) == (1, 1, {})


def test_the_range_of_what_is_kept_is_observed(spark: SparkSession) -> None:
    check = checked(spark, [(1, 1, 2.0, LATE), (1, 2, 4.5, EARLY), (1, 3, 99.0, NOW)])
    check.rows.collect()
    assert check.counts().facts == {
        "lowest_rating": 2.0,
        "highest_rating": 4.5,
        "lowest_second": int(EARLY.timestamp()),
        "highest_second": int(LATE.timestamp()),
    }


def test_the_ends_of_a_scale_that_32_bits_do_not_hold_belong_to_it(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1, 1, 0.7, EARLY), (2, 1, 4.1, EARLY), (3, 1, 0.6, EARLY)], INTERACTIONS)
    check = check_interactions(frame, catalogue(spark), rating_min=0.7, rating_max=4.1, has_timestamps=True, now=NOW)
    check.rows.collect()
    assert counts(check) == (2, 0, {"rating_out_of_range": 1})


def test_times_before_1970_and_of_the_day_of_the_ingest_are_times(spark: SparkSession) -> None:
    check = checked(spark, [(user, 1, 3.0, time) for user, time in enumerate(REAL)])
    assert sorted(row[c.TIMESTAMP].replace(tzinfo=UTC) for row in check.rows.collect()) == REAL
    assert counts(check) == (len(REAL), 0, {})


def test_an_adapter_with_another_schema_is_an_error_that_names_the_right_one(spark: SparkSession) -> None:
    with pytest.raises(TypeError, match="items must have the columns.*but have"):
        check_items(catalogue(spark).drop(c.YEAR))


def test_items_are_repaired_where_they_can_be_and_rejected_where_not(spark: SparkSession) -> None:
    rows = [
        (1, " A ", [" Drama", "drama", "", None, "Action"], 1999, " TV ", 12, 7.5),
        (2, " ", None, 0, "", 0, float("nan")),
        (3, None, [], -5, None, None, None),
        (3, "Z first by title is A", [], None, None, None, None),
        (3, "A", [], None, None, None, None),
        (None, "no id", [], None, None, None, None),
        (MAX_ITEM_ID + 1, "too large", [], None, None, None, None),
    ]
    check = check_items(spark.createDataFrame(rows, ITEMS))
    found = sorted(tuple(row) for row in check.rows.collect())

    assert found == [
        (1, "A", ["action", "drama"], 1999, "TV", 12, 7.5),
        (2, "item 2", [], None, None, None, None),
        (3, "A", [], None, None, None, None),
    ]
