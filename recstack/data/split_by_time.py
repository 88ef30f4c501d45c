"""Splits by timestamp: at two times for all users, or at each user's last interactions."""

from datetime import UTC, date, datetime
from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.splits import STRATIFIED, TEST, TRAIN, VALIDATION
from recstack.data.timestamps import DAY
from recstack.errors import DataError

_MICROS: Final = 1_000_000


def global_time(interactions: DataFrame, split_at: date | None = None) -> DataFrame:
    """Test is all from `split_at` (midnight UTC) on; validation is the last 10 % of interactions before it.

    Without a date, test begins at the exact 80 % quantile of time. Both borders are timestamps: rows of one timestamp
    are never divided. The quantiles are computed at the call.

    Raises:
        DataError: too few different timestamps for three parts, or none on a side of the date.
    """
    timestamps = interactions.select(F.unix_micros(c.TIMESTAMP).alias(c.TIMESTAMP))
    test_from = _quantile(timestamps, 8) if split_at is None else _midnight(timestamps, split_at)
    validation_from = _quantile(timestamps.where(F.col(c.TIMESTAMP) < test_from), 9)
    if timestamps.where(F.col(c.TIMESTAMP) < validation_from).isEmpty():
        raise _too_few()
    timestamp = F.unix_micros(c.TIMESTAMP)
    split = F.when(timestamp >= test_from, TEST).when(timestamp >= validation_from, VALIDATION).otherwise(TRAIN)
    return interactions.select("*", split.alias(c.SPLIT))


def leave_last_out(interactions: DataFrame, held_out: DataFrame | None = None) -> DataFrame:
    """Of each user with 3 interactions or more the last is test, the one before it validation.

    Ties in time are broken by a hash: high item ids tend to be rare items, and would bias the targets.

    Args:
        interactions: user_id, item_id, rating, timestamp.
        held_out: (user_id, item_id) of the rows that count as last of their users whatever their time is, one a user.
            One that lies earlier gets the time of the user's last row: features know time and not the split, and every
            row after it would know a target.
    """
    given, rows = "_given", interactions.withColumn("_given", F.lit(False))
    user = Window.partitionBy(c.USER_ID)
    if held_out is not None:
        marked = held_out.select(c.USER_ID, c.ITEM_ID, F.lit(True).alias(given))
        last = F.when(F.col(given), F.max(c.TIMESTAMP).over(user)).otherwise(F.col(c.TIMESTAMP))
        rows = interactions.join(marked, on=[c.USER_ID, c.ITEM_ID], how="left").withColumn(c.TIMESTAMP, last)
    tie = F.xxhash64(c.USER_ID, c.ITEM_ID)
    order = [F.desc_nulls_last(given), F.desc(c.TIMESTAMP), tie, F.desc(c.ITEM_ID)]
    latest = F.row_number().over(user.orderBy(*order))
    enough = F.count(F.lit(1)).over(user) >= 3
    split = F.when(enough & (latest == 1), TEST).when(enough & (latest == 2), VALIDATION).otherwise(TRAIN)
    return rows.select(*interactions.columns, split.alias(c.SPLIT))


def _quantile(timestamps: DataFrame, tenths: int) -> int:
    """The value at index floor(n · tenths / 10) of the sorted column.

    Days are counted first, so that only the rows of one day have to be sorted.
    """
    day = F.floor(F.col(c.TIMESTAMP) / (DAY * _MICROS))
    days = sorted(timestamps.groupBy(day.alias("day")).agg(F.count(F.lit(1)).alias("rows")).collect())
    index = sum(row["rows"] for row in days) * tenths // 10
    for row in days:
        if index < row["rows"]:
            found = timestamps.where(day == row["day"]).orderBy(c.TIMESTAMP).offset(index).limit(1).collect()
            return int(found[0][c.TIMESTAMP])
        index -= row["rows"]
    raise _too_few()


def _midnight(timestamps: DataFrame, day: date) -> int:
    """Epoch microseconds of a day's beginning, if there are interactions on both sides of it."""
    border = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _MICROS
    first, last = timestamps.agg(F.min(c.TIMESTAMP), F.max(c.TIMESTAMP)).collect()[0]
    if first is None or not first < border <= last:
        ends = [datetime.fromtimestamp(end // _MICROS, UTC).date().isoformat() for end in (first or 0, last or 0)]
        raise DataError(f"split_at {day} divides nothing: the interactions are from {ends[0]} to {ends[1]}")
    return border


def _too_few() -> DataError:
    return DataError(
        "too few different timestamps to divide the interactions into three parts by time; use more data or choose"
        f" another protocol, such as {STRATIFIED}"
    )
