"""No protocol loses a row, leaks the future, or depends on the order of the rows."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.assign_split import assign
from recstack.data.contract import INTERACTIONS
from recstack.data.split_at_random import fold_in, with_fold_in
from recstack.data.split_by_time import global_time
from recstack.data.splits import PROTOCOLS, default_protocol
from recstack.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)

Row = tuple[int, int, float, datetime | None]
Table = list[Row]


def random_table(seed: int, *, has_timestamps: bool = True) -> Table:
    """Users of 1 to 60 ratings, few distinct timestamps (so ties abound), rare and common rating values."""
    rng = np.random.default_rng(seed)
    rows: Table = []
    for user in range(int(rng.integers(20, 60))):
        for item in rng.choice(100, size=int(rng.integers(1, 61)), replace=False):
            rating = float(rng.choice([0.0, 1.0, 4.0, 5.0], p=[0.01, 0.09, 0.4, 0.5]))
            timestamp = START + timedelta(hours=int(rng.integers(0, 200))) if has_timestamps else None
            rows.append((user, int(item), rating, timestamp))
    return rows


def frame(spark: SparkSession, rows: Table, partitions: int = 1) -> DataFrame:
    kinds = [pa.int64(), pa.int64(), pa.float32(), pa.timestamp("us", "UTC")]
    values = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return spark.createDataFrame(pa.table(values, names=INTERACTIONS.names)).repartition(partitions)


def parts(split: DataFrame) -> dict[tuple[int, int], str]:
    return {(row[c.USER_ID], row[c.ITEM_ID]): row[c.SPLIT] for row in split.collect()}


@pytest.fixture(scope="module", params=[0, 1])
def table(request: pytest.FixtureRequest) -> Table:
    return random_table(request.param)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_split_loses_nothing_and_does_not_depend_on_the_order_of_the_rows(
    spark: SparkSession, table: Table, protocol: str
) -> None:
    split = assign(frame(spark, table), protocol, seed=1)
    rows = split.collect()
    assert split.columns == [*INTERACTIONS.names, c.SPLIT]
    assert sorted((r[0], r[1], r[2], r[3].replace(tzinfo=UTC)) for r in rows) == sorted(table)
    assert {row[c.SPLIT] for row in rows} == {"train", "validation", "test"}

    shuffled = [table[i] for i in np.random.default_rng(9).permutation(len(table))]
    assert sorted(rows) == sorted(assign(frame(spark, shuffled, partitions=5), protocol, seed=1).collect())


def test_global_time_cuts_at_exact_quantiles_and_never_within_one_timestamp(spark: SparkSession, table: Table) -> None:
    split = parts(global_time(frame(spark, table)))
    timestamps = sorted(timestamp for *_, timestamp in table if timestamp)
    end = timestamps[len(timestamps) * 8 // 10]
    before = [timestamp for timestamp in timestamps if timestamp < end]
    start = before[len(before) * 9 // 10]

    for user, item, _, timestamp in table:
        assert timestamp
        assert split[user, item] == ("test" if timestamp >= end else "validation" if timestamp >= start else "train")


def test_global_time_refuses_a_log_with_one_timestamp(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="too few different timestamps"):
        global_time(frame(spark, [(1, item, 3.0, START) for item in range(20)]))


def test_global_time_begins_its_test_part_at_midnight_of_a_given_date(spark: SparkSession, table: Table) -> None:
    border = START + timedelta(days=4)
    split = parts(assign(frame(spark, table), "global-time", seed=0, split_at=border.date()))
    before = sorted(timestamp for *_, timestamp in table if timestamp and timestamp < border)
    start = before[len(before) * 9 // 10]
    for user, item, _, timestamp in table:
        assert timestamp
        assert split[user, item] == ("test" if timestamp >= border else "validation" if timestamp >= start else "train")


@pytest.mark.parametrize("day", [date(2023, 12, 31), date(2024, 1, 1), date(2024, 2, 1)])
def test_a_date_with_nothing_before_or_after_it_is_refused(spark: SparkSession, day: date) -> None:
    ratings = frame(spark, [(1, hour, 3.0, START + timedelta(hours=hour)) for hour in range(100)])
    with pytest.raises(DataError, match=f"split_at {day} divides nothing: .* from 2024-01-01 to 2024-01-05"):
        assign(ratings, "global-time", seed=0, split_at=day)


@pytest.mark.parametrize("protocol", PROTOCOLS[1:])
def test_a_date_is_refused_by_all_protocols_but_global_time(spark: SparkSession, protocol: str) -> None:
    with pytest.raises(DataError, match=f"split_at is for the protocol global-time: {protocol} does not"):
        assign(frame(spark, random_table(0)), protocol, seed=0, split_at=START.date())


def test_leave_last_out_takes_the_last_two_of_a_user_with_three(spark: SparkSession, table: Table) -> None:
    split = parts(assign(frame(spark, table), "leave-last-out", seed=0))
    for user in {row[0] for row in table}:
        timestamps = {item: time for u, item, _, time in table if u == user and time}
        held_out = {split[user, item]: time for item, time in timestamps.items() if split[user, item] != "train"}
        latest = sorted(timestamps.values())
        expected = {"test": latest[-1], "validation": latest[-2]} if len(latest) >= 3 else {}
        assert held_out == expected


def test_leave_last_out_breaks_ties_without_favour_for_high_item_ids(spark: SparkSession) -> None:
    table = [(user, item, 3.0, START) for user in range(200) for item in (5, 7, 9)]
    split = parts(assign(frame(spark, table), "leave-last-out", seed=0))
    last = [item for (_, item), part in split.items() if part == "test"]
    assert len(last) == 200
    assert all(40 < last.count(item) < 95 for item in (5, 7, 9))


def test_a_held_out_row_that_is_not_the_last_in_time_is_known_to_no_row_of_training(spark: SparkSession) -> None:
    hours = [0, 1, 2, 3]
    rows: Table = [(user, item, 3.0, START + timedelta(hours=hours[item])) for user in (1, 2) for item in range(4)]
    given = spark.createDataFrame([(1, 0), (2, 3)], [c.USER_ID, c.ITEM_ID])
    for protocol in ("leave-last-out", "leave-last-out-99"):
        split = assign(frame(spark, rows), protocol, seed=0, held_out=given).collect()
        found = {(row[c.USER_ID], row[c.ITEM_ID]): (row[c.SPLIT], row[c.TIMESTAMP]) for row in split}
        last = (START + timedelta(hours=3)).replace(tzinfo=None)
        assert found[1, 0] == ("test", last)
        assert found[2, 3] == ("test", last)
        assert found[1, 3][0] == found[2, 2][0] == "validation"
        for (user, _), (part, time) in found.items():
            assert part == "test" or time <= found[user, 0 if user == 1 else 3][1]
    others = assign(frame(spark, rows), "global-time", seed=0, held_out=given).collect()
    assert sorted((r[0], r[1], r[2], r[3].replace(tzinfo=UTC)) for r in others) == sorted(rows)


def test_stratified_keeps_each_rating_in_train_and_test_and_each_user_in_train(
    spark: SparkSession, table: Table
) -> None:
    split = parts(assign(frame(spark, table), "stratified", seed=3))
    by_rating: dict[float, list[str]] = {}
    for user, item, rating, _ in table:
        by_rating.setdefault(rating, []).append(split[user, item])

    assert {user for (user, _), part in split.items() if part == "train"} == {row[0] for row in table}
    for of_rating in by_rating.values():
        if len(of_rating) >= 5:
            assert {"train", "test"} <= set(of_rating)
        if len(of_rating) >= 200:
            assert of_rating.count("test") / len(of_rating) == pytest.approx(0.2, abs=0.02)
            assert of_rating.count("validation") / len(of_rating) == pytest.approx(0.08, abs=0.02)


def test_stratified_keeps_all_ratings_from_0_to_10_on_both_sides_however_rare_and_sparse(spark: SparkSession) -> None:
    # Most users have one row; a rare rating that drew its only test row among them would be gone from test.
    rows: Table = [(user, 0, float(user % 11), None) for user in range(44)]
    rows += [(100 + n, item, float((n + item) % 11), None) for n in range(4) for item in range(11)]
    for seed in range(5):
        split = assign(frame(spark, rows), "stratified", seed).collect()
        assert {row[c.RATING] for row in split if row[c.SPLIT] == "train"} == set(range(11))
        assert {row[c.RATING] for row in split if row[c.SPLIT] == "test"} == set(range(11))
        assert {row[c.USER_ID] for row in split if row[c.SPLIT] == "train"} == {row[0] for row in rows}


def test_stratified_keeps_the_only_row_of_every_user_in_train(spark: SparkSession) -> None:
    rows: Table = [(user, 1, 5.0, None) for user in range(100)]
    assert set(parts(assign(frame(spark, rows), "stratified", seed=0)).values()) == {"train"}


@pytest.mark.parametrize("rows_a_value", [1, 3, 9])
def test_stratified_divides_fine_grained_ratings_too_and_keeps_their_balance(
    spark: SparkSession, rows_a_value: int
) -> None:
    values = np.random.default_rng(0).permutation(np.repeat(np.linspace(0, 1, 1000 // rows_a_value), rows_a_value))
    rows: Table = [(n // 25, n % 25, float(np.float32(value)), None) for n, value in enumerate(values)]
    split = parts(assign(frame(spark, rows), "stratified", seed=0))
    ratings = {part: [r for u, i, r, _ in rows if split[u, i] == part] for part in ("train", "validation", "test")}
    shares = {part: len(of_part) / len(rows) for part, of_part in ratings.items()}
    assert shares == pytest.approx({"train": 0.72, "validation": 0.08, "test": 0.2}, abs=0.005)
    for of_part in ratings.values():
        assert np.quantile(of_part, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stratified_keeps_ratings_0_to_10_in_train_and_test_whatever_else_their_users_rated(
    spark: SparkSession, seed: int
) -> None:
    # Zeros are rare, and most of them are all that their user ever rated: those go back to train.
    rng = np.random.default_rng(seed)
    often = [*range(1, 11)] * 6
    rows: Table = [(user, item, float(rng.choice(often)), None) for user in range(20) for item in range(25)]
    rows += [(20 + user, 0, 0.0, None) for user in range(5)]
    rows += [(user, 30, 0.0, None) for user in range(2)]
    split = parts(assign(frame(spark, rows), "stratified", seed))
    for part in ("train", "test"):
        kept = {rating for user, item, rating, _ in rows if split[user, item] == part}
        assert kept == {float(value) for value in range(11)}
    assert {user for (user, _), part in split.items() if part == "train"} == {row[0] for row in rows}


def test_held_out_users_keeps_a_user_in_one_part(spark: SparkSession, table: Table) -> None:
    split = parts(assign(frame(spark, table), "held-out-users", seed=3))
    users: dict[int, set[str]] = {}
    for (user, _), part in split.items():
        users.setdefault(user, set()).add(part)

    assert all(len(parts) == 1 for parts in users.values())
    count = [part for (part,) in users.values()].count
    assert abs(count("test") - len(users) / 10) < 1
    assert abs(count("validation") - len(users) / 10) <= 1


def test_fold_in_leaves_a_fifth_and_at_least_one_of_two_rows_as_targets(spark: SparkSession, table: Table) -> None:
    known = {
        (row[c.USER_ID], row[c.ITEM_ID]): row["known"]
        for row in frame(spark, table).select("*", fold_in(seed=5).alias("known")).collect()
    }
    for user in {row[0] for row in table}:
        history = [flag for (u, _), flag in known.items() if u == user]
        assert history.count(False) == min(max(len(history) // 5, 1), len(history) - 1)
    again = frame(spark, table[::-1], partitions=3).select("*", fold_in(seed=5).alias("known")).collect()
    assert known == {(row[c.USER_ID], row[c.ITEM_ID]): row["known"] for row in again}


def test_the_history_of_held_out_users_leaves_their_part_and_the_targets_stay(
    spark: SparkSession, table: Table
) -> None:
    held_out = assign(frame(spark, table), "held-out-users", seed=3).where(F.col(c.SPLIT) == "test")
    divided = with_fold_in(held_out, seed=3)
    known = {
        (row[c.USER_ID], row[c.ITEM_ID]): row["known"]
        for row in held_out.select("*", fold_in(3).alias("known")).collect()
    }
    assert divided.columns == held_out.columns
    assert parts(divided) == {key: "fold-in" if flag else "test" for key, flag in known.items()}


@pytest.mark.parametrize("protocol", ["held-out-users", "stratified"])
def test_another_seed_draws_another_split(spark: SparkSession, protocol: str) -> None:
    ratings = frame(spark, random_table(3))
    assert parts(assign(ratings, protocol, seed=1)) != parts(assign(ratings, protocol, seed=2))


@pytest.mark.parametrize("protocol", ["held-out-users", "stratified"])
def test_data_without_timestamps_can_be_divided_at_random(spark: SparkSession, protocol: str) -> None:
    split = assign(frame(spark, random_table(4, has_timestamps=False)), protocol, seed=0)
    assert {row[c.SPLIT] for row in split.select(c.SPLIT).distinct().collect()} == {"train", "validation", "test"}


@pytest.mark.parametrize("protocol", ["global-time", "leave-last-out", "leave-last-out-99"])
def test_a_missing_timestamp_is_refused_by_protocols_that_divide_by_time(spark: SparkSession, protocol: str) -> None:
    rows = random_table(5)
    rows[3] = (*rows[3][:3], None)
    with pytest.raises(ValueError, match="needs a timestamp.*held-out-users, stratified"):
        assign(frame(spark, rows), protocol, seed=0)


def test_an_unknown_protocol_is_answered_with_the_known_ones(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="no protocol 'random'.*" + ".*".join(PROTOCOLS)):
        assign(frame(spark, random_table(6)), "random", seed=0)


def test_the_default_protocol_follows_the_timestamps() -> None:
    assert default_protocol(has_timestamps=True) == "global-time"
    assert default_protocol(has_timestamps=False) == "stratified"


def test_borders_of_global_time_hold_with_sub_second_timestamps(spark: SparkSession) -> None:
    rows: Table = [(1, n, 3.0, START + timedelta(microseconds=n)) for n in range(100)]
    split = global_time(frame(spark, rows)).groupBy(c.SPLIT).agg(F.count(F.lit(1)).alias("rows"))
    assert {row[c.SPLIT]: row["rows"] for row in split.collect()} == {"train": 72, "validation": 8, "test": 20}
