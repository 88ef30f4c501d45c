"""Item features in Spark: facts of the catalogue, genre positions, and popularity at regular dates."""

import math
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.timestamps import DAY, TIMELESS
from recstack.features.spec import names

SNAPSHOT_DAYS: Final = 7
MOST_SNAPSHOTS: Final = 64
"""Logs of many years get longer intervals, so that items x snapshots stays small. Each date has full windows all the
same: an interval says how old what training reads may be, and not what it counts."""

_LONGEST_WINDOW: Final = 30
_SNAPSHOT: Final = "snapshot"
_DAY_START: Final = "day_start"
_COUNT: Final = "count"
_NEW: Final = "new"


def snapshot_dates(first_second: int, last_second: int) -> range:
    """Epoch seconds of the item snapshots of a log, oldest first: midnights at a regular interval.

    The newest is the midnight after the last interaction, so that what serving reads has windows like those that
    training reads. From there they go back by a week, or by more days if there would be more than `MOST_SNAPSHOTS`,
    down to one that sees nothing: it is at or before the midnight that begins the first day.
    """
    begin, end = first_second // DAY, last_second // DAY + 1
    step = max(SNAPSHOT_DAYS, math.ceil((end - begin) / (MOST_SNAPSHOTS - 1)))
    steps = math.ceil((end - begin) / step)
    return range((end - steps * step) * DAY, (end + 1) * DAY, step * DAY)


def snapshots(interactions: DataFrame, items: DataFrame, vocabulary: tuple[str, ...]) -> DataFrame:
    """Item features at regular dates, from the interactions strictly before each date.

    Args:
        interactions: item_id, timestamp.
        items: the catalogue as the contract has it.
        vocabulary: genres in their order.

    Returns:
        item_id, event_timestamp and `spec.schema("item")`: every item at each of the `snapshot_dates`. Data without
        timestamps give one row an item, with the timestamp `TIMELESS` and null window counts.
    """
    first, last = interactions.select(
        F.unix_seconds(F.min(c.TIMESTAMP)), F.unix_seconds(F.max(c.TIMESTAMP))
    ).first() or (None, None)
    if first is None or last is None:
        popularity = _popularity_without_timestamps(interactions, items)
    else:
        popularity = _popularity_at_dates(interactions, items, snapshot_dates(first, last))
    return _with_facts(popularity, items, vocabulary)


def _popularity_at_dates(interactions: DataFrame, items: DataFrame, dates: range) -> DataFrame:
    """Counts of each item before each date."""
    date = F.lit(dates.start) + F.col(_SNAPSHOT).cast("long") * dates.step  # a century overflows 32 bits
    counted = _counts_near_dates(interactions, date, dates)
    numbers = interactions.sparkSession.range(len(dates)).select(F.col("id").cast("int").alias(_SNAPSHOT))
    grid = items.select(c.ITEM_ID).crossJoin(numbers).join(counted, [c.ITEM_ID, _SNAPSHOT], "left")
    so_far = Window.partitionBy(c.ITEM_ID).orderBy(_SNAPSHOT)
    return grid.select(
        c.ITEM_ID,
        F.timestamp_seconds(date).alias(c.EVENT_TIMESTAMP),
        F.coalesce(c.POPULARITY_7D, F.lit(0)).alias(c.POPULARITY_7D),
        F.coalesce(c.POPULARITY_30D, F.lit(0)).alias(c.POPULARITY_30D),
        F.sum(F.coalesce(_NEW, F.lit(0))).over(so_far).alias(c.POPULARITY_ALL),
    )


def _counts_near_dates(interactions: DataFrame, date: Column, dates: range) -> DataFrame:
    """Interactions of each item within each window before each date, and those since the date before it.

    Days are counted first, and a day, not each of its interactions, is spread over the dates that see it: what happens
    on a day is known at the midnight after it, and thus at the first date strictly after the day's start.
    """
    day = F.floor(F.unix_seconds(c.TIMESTAMP) / DAY).alias("day")
    daily = interactions.select(c.ITEM_ID, day).groupBy(c.ITEM_ID, "day").agg(F.count("*").alias(_COUNT))
    day_start = F.col("day") * DAY
    next_date = (F.floor((day_start - dates.start) / dates.step) + 1).cast("int")
    last_date = F.floor((day_start + _LONGEST_WINDOW * DAY - dates.start) / dates.step).cast("int")
    near = (
        daily.repartition(c.ITEM_ID)
        .select(
            c.ITEM_ID,
            _COUNT,
            day_start.alias(_DAY_START),
            F.explode(F.sequence(next_date, F.greatest(next_date, last_date))).alias(_SNAPSHOT),
        )
        .filter(F.col(_SNAPSHOT) < len(dates))
    )
    windows = ((c.POPULARITY_7D, 7), (c.POPULARITY_30D, _LONGEST_WINDOW), (_NEW, dates.step // DAY))
    return near.groupBy(c.ITEM_ID, _SNAPSHOT).agg(
        *(
            F.sum(F.when(date - F.col(_DAY_START) <= days * DAY, F.col(_COUNT)).otherwise(0)).alias(name)
            for name, days in windows
        )
    )


def _popularity_without_timestamps(interactions: DataFrame, items: DataFrame) -> DataFrame:
    counted = interactions.groupBy(c.ITEM_ID).agg(F.count("*").alias(c.POPULARITY_ALL))
    return (
        items.select(c.ITEM_ID)
        .join(counted, c.ITEM_ID, "left")
        .select(
            c.ITEM_ID,
            F.timestamp_seconds(F.lit(TIMELESS)).alias(c.EVENT_TIMESTAMP),
            F.lit(None).cast("long").alias(c.POPULARITY_7D),
            F.lit(None).cast("long").alias(c.POPULARITY_30D),
            F.coalesce(c.POPULARITY_ALL, F.lit(0)).alias(c.POPULARITY_ALL),
        )
    )


def _with_facts(popularity: DataFrame, items: DataFrame, vocabulary: tuple[str, ...]) -> DataFrame:
    words = F.array(*[F.lit(genre) for genre in vocabulary]) if vocabulary else F.array().cast("array<string>")
    facts = items.select(
        c.ITEM_ID,
        F.transform(c.GENRES, lambda genre: F.array_position(words, genre) - 1).alias(c.GENRE_INDICES),
        F.col(c.YEAR).cast("long").alias(c.YEAR),
        c.TYPE,
        F.col(c.EPISODES).cast("long").alias(c.EPISODES),
        F.col(c.MEAN_SCORE).cast("float").alias(c.MEAN_SCORE),
    )
    return popularity.join(facts, c.ITEM_ID, "inner").select(c.ITEM_ID, c.EVENT_TIMESTAMP, *names("item"))
