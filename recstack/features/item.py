"""Item features in Spark: catalogue facts, genre positions, and popularity over windows as dated snapshots."""

import math

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.features.user import TIMELESS

SNAPSHOT_DAYS = 7
MOST_SNAPSHOTS = 64
"""Logs of many years get longer intervals, so that items x snapshots stays small."""

_DAY = 86_400
_SNAPSHOT = "snapshot"


def interval_days(first_second: int, last_second: int) -> int:
    """Days between item snapshots: a week, or more if the log would have more than `MOST_SNAPSHOTS` of them."""
    return max(SNAPSHOT_DAYS, math.ceil((last_second - first_second) / _DAY / MOST_SNAPSHOTS))


def snapshots(interactions: DataFrame, items: DataFrame, vocabulary: tuple[str, ...]) -> DataFrame:
    """Item features at regular dates, from the interactions strictly before each date.

    Args:
        interactions: item_id, timestamp.
        items: the catalogue as the contract has it.
        vocabulary: genres in their order.

    Returns:
        item_id, event_timestamp and `spec.schema("item")`: every item at every date, from the week before the
        first interaction to the one after the last. Data without timestamps give one row an item, stamped
        `TIMELESS`, with null window counts.
    """
    first, last = interactions.select(
        F.unix_seconds(F.min(c.TIMESTAMP)), F.unix_seconds(F.max(c.TIMESTAMP))
    ).first() or (None, None)
    if first is None or last is None:
        return _timeless(interactions, items, vocabulary)

    step = interval_days(first, last) * _DAY
    start = first // _DAY * _DAY
    count = (last - start) // step + 2  # the first date sees nothing, the last one sees everything
    # Dates are midnights: days are counted first, and a day, not each of its interactions, is spread over the dates.
    day = F.floor(F.unix_seconds(c.TIMESTAMP) / _DAY).alias("day")
    counts = interactions.select(c.ITEM_ID, day).groupBy(c.ITEM_ID, "day").agg(F.count("*").alias("chosen"))
    second = F.col("day") * _DAY
    # What happens on a day is known at the midnight after it, and thus at the first date strictly after its beginning.
    next_date = (F.floor((second - start) / step) + 1).cast("int")
    reach = F.floor((second + 30 * _DAY - start) / step).cast("int")
    dated = (
        counts.repartition(c.ITEM_ID)
        .select(
            c.ITEM_ID,
            "chosen",
            second.alias("second"),
            F.explode(F.sequence(next_date, F.greatest(next_date, reach))).alias(_SNAPSHOT),
        )
        .filter(F.col(_SNAPSHOT) < count)
    )
    date = F.lit(start) + F.col(_SNAPSHOT) * step
    counted = dated.groupBy(c.ITEM_ID, _SNAPSHOT).agg(
        *(
            F.sum(F.when(date - F.col("second") <= window * _DAY, F.col("chosen")).otherwise(0)).alias(name)
            for name, window in ((c.POPULARITY_7D, 7), (c.POPULARITY_30D, 30), ("new", step // _DAY))
        )
    )
    dates = interactions.sparkSession.range(count).select(F.col("id").cast("int").alias(_SNAPSHOT))
    grid = items.select(c.ITEM_ID).crossJoin(dates).join(counted, [c.ITEM_ID, _SNAPSHOT], "left")
    so_far = Window.partitionBy(c.ITEM_ID).orderBy(_SNAPSHOT)
    popularity = grid.select(
        c.ITEM_ID,
        F.timestamp_seconds(date).alias(c.EVENT_TIMESTAMP),
        F.coalesce(c.POPULARITY_7D, F.lit(0)).alias(c.POPULARITY_7D),
        F.coalesce(c.POPULARITY_30D, F.lit(0)).alias(c.POPULARITY_30D),
        F.sum(F.coalesce("new", F.lit(0))).over(so_far).alias(c.POPULARITY_ALL),
    )
    return _with_facts(popularity, items, vocabulary)


def _timeless(interactions: DataFrame, items: DataFrame, vocabulary: tuple[str, ...]) -> DataFrame:
    counted = interactions.groupBy(c.ITEM_ID).agg(F.count("*").alias(c.POPULARITY_ALL))
    popularity = (
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
    return _with_facts(popularity, items, vocabulary)


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
    return popularity.join(facts, c.ITEM_ID, "inner").select(
        c.ITEM_ID,
        c.EVENT_TIMESTAMP,
        c.GENRE_INDICES,
        c.YEAR,
        c.TYPE,
        c.EPISODES,
        c.MEAN_SCORE,
        c.POPULARITY_7D,
        c.POPULARITY_30D,
        c.POPULARITY_ALL,
    )
