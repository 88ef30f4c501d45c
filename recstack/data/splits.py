"""Divides interactions into train, validation and test, by the named protocols that are never mixed in one table."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.errors import DataError

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"

GLOBAL_TIME: Final = "global-time"
LEAVE_LAST_OUT: Final = "leave-last-out"
LEAVE_LAST_OUT_99: Final = "leave-last-out-99"
HELD_OUT_USERS: Final = "held-out-users"
STRATIFIED: Final = "stratified"

BY_CHANCE: Final = (HELD_OUT_USERS, STRATIFIED)
"""Protocols that ignore time; the others need it."""

FOLD_IN: Final = "fold-in"
"""Part of what is known of held-out users; see `with_fold_in`."""


def assign(
    interactions: DataFrame,
    protocol: str,
    seed: int,
    *,
    split_at: date | None = None,
    held_out: DataFrame | None = None,
) -> DataFrame:
    """Add the column `split` ("train", "validation" or "test") by the protocol of this name.

    Args:
        interactions: one row for each (user, item); their order does not matter.
        protocol: "global-time", "leave-last-out", "leave-last-out-99" (the same split, another way to rank),
            "held-out-users" or "stratified".
        seed: of the protocols that draw; the others ignore it.
        split_at: first day of the test part of global-time; None takes a quantile of time.
        held_out: (user_id, item_id) of test rows that the data bring along for leave-last-out; the others ignore it.

    Raises:
        ValueError: no such protocol, or it needs timestamps that the data doesn't have, or has no place for `split_at`.
    """
    if split_at is not None and protocol != GLOBAL_TIME:
        raise DataError(f"{protocol} divides by something else than a date: split_at is for {GLOBAL_TIME} alone")
    by_time: dict[str, Callable[[DataFrame], DataFrame]] = {
        GLOBAL_TIME: partial(global_time, split_at=split_at),
        LEAVE_LAST_OUT: partial(leave_last_out, held_out=held_out),
        LEAVE_LAST_OUT_99: partial(leave_last_out, held_out=held_out),
    }
    by_chance: dict[str, Callable[[DataFrame, int], DataFrame]] = {
        HELD_OUT_USERS: held_out_users,
        STRATIFIED: stratified,
    }
    if protocol in by_chance:
        return by_chance[protocol](interactions, seed)
    if protocol not in by_time:
        raise ValueError(f"no protocol {protocol!r}; there are {', '.join([*by_time, *by_chance])}")
    if not interactions.where(F.col(c.TIMESTAMP).isNull()).isEmpty():
        raise DataError(f"{protocol} needs a timestamp in every row; without them: {', '.join(by_chance)}")
    return by_time[protocol](interactions)


def default_protocol(has_timestamps: bool) -> str:
    """The protocol that comes closest to what serving does."""
    return GLOBAL_TIME if has_timestamps else STRATIFIED


def global_time(interactions: DataFrame, split_at: date | None = None) -> DataFrame:
    """Test is all from `split_at` (midnight UTC) on; validation is the last 10 % of interactions before it.

    Without a date test begins at the exact 80 % quantile of time. Both borders are moments: rows of the same timestamp
    are never divided. The quantiles are computed at the call.

    Raises:
        ValueError: too few different timestamps for three parts, or none on a side of the date.
    """
    moments = interactions.select(F.unix_micros(c.TIMESTAMP).alias(c.TIMESTAMP))
    end = _quantile(moments, 8) if split_at is None else _midnight(moments, split_at)
    start = _quantile(moments.where(F.col(c.TIMESTAMP) < end), 9)
    if moments.where(F.col(c.TIMESTAMP) < start).isEmpty():
        raise _too_few()
    moment = F.unix_micros(c.TIMESTAMP)
    split = F.when(moment >= end, TEST).when(moment >= start, VALIDATION).otherwise(TRAIN)
    return interactions.select("*", split.alias(c.SPLIT))


def leave_last_out(interactions: DataFrame, held_out: DataFrame | None = None) -> DataFrame:
    """Of each user with 3 interactions or more the last is test, the one before it validation.

    Ties in time are broken by a hash: high item ids tend to be rare items, and would bias the targets.

    Args:
        interactions: one row for each (user, item).
        held_out: (user_id, item_id) of the rows that count as last of their users whatever their time is, one a user.
    """
    given, rows = "_given", interactions.withColumn("_given", F.lit(False))
    if held_out is not None:
        marked = held_out.select(c.USER_ID, c.ITEM_ID, F.lit(True).alias(given))
        rows = interactions.join(marked, on=[c.USER_ID, c.ITEM_ID], how="left")
    user = Window.partitionBy(c.USER_ID)
    chance = F.xxhash64(c.USER_ID, c.ITEM_ID)
    order = [F.desc_nulls_last(given), F.desc(c.TIMESTAMP), chance, F.desc(c.ITEM_ID)]
    latest = F.row_number().over(user.orderBy(*order))
    enough = F.count(F.lit(1)).over(user) >= 3
    split = F.when(enough & (latest == 1), TEST).when(enough & (latest == 2), VALIDATION).otherwise(TRAIN)
    return rows.select(*interactions.columns, split.alias(c.SPLIT))


def stratified(interactions: DataFrame, seed: int) -> DataFrame:
    """Of each rating value a random 20 % are test, then 10 % of the others validation; each user has a train row.

    A rating value with 5 rows or more is thus in train and in test. A user without any train row gets one back, one of
    the rating that is most frequent in the data, so that rare ratings stay in test. For the same reason the only row of
    a user is drawn after all others of its rating: it would have to come back.
    """
    count, rank, drawn, only = "_count", "_rank", "_drawn", "_only"
    rating = Window.partitionBy(c.RATING)
    user = Window.partitionBy(c.USER_ID)
    order = [_draw(seed, c.USER_ID, c.ITEM_ID), F.col(c.USER_ID), F.col(c.ITEM_ID)]
    ranked = interactions.withColumn(only, F.count(F.lit(1)).over(user) == 1).select(
        "*",
        F.count(F.lit(1)).over(rating).alias(count),
        F.row_number().over(rating.orderBy(only, *order)).alias(rank),
    )
    test = F.floor(F.col(count) / 5)
    validation = F.floor((F.col(count) - test) / 10)
    part = F.when(F.col(rank) <= test, TEST).when(F.col(rank) <= test + validation, VALIDATION).otherwise(TRAIN)
    divided = ranked.select("*", part.alias(drawn))

    has_train = F.bool_or(F.col(drawn) == TRAIN).over(user)
    returned = F.row_number().over(user.orderBy(F.desc(count), F.desc(c.RATING), *order)) == 1
    split = F.when(~has_train & returned, TRAIN).otherwise(F.col(drawn))
    return divided.select(*interactions.columns, split.alias(c.SPLIT))


def held_out_users(interactions: DataFrame, seed: int) -> DataFrame:
    """A random 10 % of the users are test, 10 % validation, the others train; see `with_fold_in`.

    The protocol of the Mult-VAE paper (Liang et al. 2018).
    """
    place, users = "_place", "_users"
    # Both windows have one partition: it holds one short row a user.
    everybody = Window.partitionBy(F.lit(0))
    ranked = (
        interactions.select(c.USER_ID)
        .distinct()
        .select(
            c.USER_ID,
            (F.row_number().over(everybody.orderBy(_draw(seed, c.USER_ID), c.USER_ID)) - 1).alias(place),
            F.count(F.lit(1)).over(everybody).alias(users),
        )
    )
    tenth = F.col(place) * 10 / F.col(users)
    split = F.when(tenth < 1, TEST).when(tenth < 2, VALIDATION).otherwise(TRAIN)
    parts = ranked.select(c.USER_ID, split.alias(c.SPLIT))
    return interactions.join(parts, on=c.USER_ID, how="inner").select(*interactions.columns, c.SPLIT)


def with_fold_in(held_out: DataFrame, seed: int) -> DataFrame:
    """Move the history that a model is given of held-out users into the part `FOLD_IN`; the targets stay in theirs.

    Args:
        held_out: all rows of the users of a part of `held_out_users`, with the column `split`.
        seed: of the draw; see `fold_in`.
    """
    return held_out.withColumn(c.SPLIT, F.when(fold_in(seed), FOLD_IN).otherwise(F.col(c.SPLIT)))


def fold_in(seed: int) -> Column:
    """True for a random 80 % of each user's rows: the history that a model is given of a held-out user.

    The others, one at least where the user has two rows or more, are the targets. Use it on a frame that holds all
    rows of the users in question.
    """
    user = Window.partitionBy(c.USER_ID)
    rank = F.row_number().over(user.orderBy(_draw(seed, c.USER_ID, c.ITEM_ID), c.ITEM_ID))
    rows = F.count(F.lit(1)).over(user)
    targets = F.least(F.greatest(F.floor(rows / 5), F.lit(1)), rows - 1)
    return rank > targets


def _draw(seed: int, *keys: str) -> Column:
    """A random number that belongs to the keys, so that neither row order nor partitioning can change it."""
    return F.xxhash64(F.lit(seed), *keys)


def _quantile(moments: DataFrame, tenths: int) -> int:
    """The value at place floor(n · tenths / 10) of the sorted column.

    Days are counted first, so that only the rows of one day have to be sorted.
    """
    day = F.floor(F.col(c.TIMESTAMP) / 86_400_000_000)
    days = moments.groupBy(day.alias("day")).agg(F.count(F.lit(1)).alias("rows")).orderBy("day").collect()
    place = sum(row["rows"] for row in days) * tenths // 10
    for row in days:
        if place < row["rows"]:
            found = moments.where(day == row["day"]).orderBy(c.TIMESTAMP).offset(place).limit(1).collect()
            return int(found[0][c.TIMESTAMP])
        place -= row["rows"]
    raise _too_few()


def _midnight(moments: DataFrame, day: date) -> int:
    """Epoch microseconds of a day's beginning, if there are interactions on both sides of it."""
    border = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    first, last = moments.agg(F.min(c.TIMESTAMP), F.max(c.TIMESTAMP)).collect()[0]
    if first is None or not first < border <= last:
        ends = [datetime.fromtimestamp(end // 1_000_000, UTC).date().isoformat() for end in (first or 0, last or 0)]
        raise DataError(f"split_at {day} divides nothing: the interactions are from {ends[0]} to {ends[1]}")
    return border


def _too_few() -> DataError:
    return DataError(
        "too few different timestamps to divide the interactions into three parts by time; bring more data or choose"
        f" another protocol, such as {STRATIFIED}"
    )
