"""User features in Spark: as of any (user, timestamp), as dated snapshots, and with each row's own rating left out."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features.item_genres import ItemGenres
from recstack.features.spec import schema
from recstack.features.user_chunks import (
    IS_QUERY,
    NEVER,
    SECOND,
    USER_AND_TIME,
    USER_ITEM_RATING,
    rows_after_periods,
    rows_of_queries,
    rows_without_own,
)
from recstack.features.user_rows import UserRows

SnapshotEvery = Literal["interaction", "day"]

_PERIODS: Final[dict[SnapshotEvery, int]] = {"interaction": 1, "day": DAY}
_CELLS: Final = 4_000_000
"""Feature rows x genres held at once, which bounds the memory of a task."""


def as_of(interactions: DataFrame, queries: DataFrame, genres: ItemGenres) -> UserRows:
    """User features as of given timestamps, from the interactions strictly before each of them.

    Args:
        interactions: user_id, item_id, rating, timestamp. A null timestamp lies before all others.
        queries: user_id, event_timestamp (distinct). A null timestamp sees everything.
        genres: the catalogue's genres.

    Returns:
        user_id, event_timestamp and `spec.schema("user")`, one row a query; users without history have nulls.
    """
    has_timestamps = _has_timestamps(interactions)
    no_query = [F.lit(False).alias(IS_QUERY), F.lit(None).cast("timestamp").alias(c.EVENT_TIMESTAMP)]
    events = _events(interactions).select("*", *no_query).unionByName(_queries(queries))
    # A query sorts before the interactions of its own second: it never sees its own target.
    order = [F.col(SECOND), F.desc(IS_QUERY), *_within_second()]
    compute = partial(rows_of_queries, genres=genres, has_timestamps=has_timestamps)
    return _by_user(events, order, compute, USER_AND_TIME, genres.n_genres)


def snapshots(interactions: DataFrame, genres: ItemGenres, every: SnapshotEvery) -> UserRows:
    """Dated user features; a user has a row for each time from which something new was known.

    Args:
        interactions: user_id, item_id, rating, timestamp.
        genres: the catalogue's genres.
        every: "interaction" gives the row after each interaction the timestamp one second later (the resolution of
            timestamps); "day" gives the row after each day the following midnight UTC, for logs too large for the
            former.

    Returns:
        As `as_of`. Data without timestamps give one row a user, with the timestamp `TIMELESS`.
    """
    has_timestamps = _has_timestamps(interactions)
    events, order = _events(interactions), [F.col(SECOND), *_within_second()]
    if not has_timestamps:
        events, order = events.drop(SECOND), []
    compute = partial(rows_after_periods, genres=genres, has_timestamps=has_timestamps, period=_PERIODS[every])
    return _by_user(events, order, compute, USER_AND_TIME, genres.n_genres)


def without_own(interactions: DataFrame, genres: ItemGenres) -> UserRows:
    """For data without timestamps: each interaction with its user's features from all other interactions.

    Returns:
        user_id, item_id, rating and `spec.schema("user")`, one row an interaction.
    """
    compute = partial(rows_without_own, genres=genres)
    return _by_user(_events(interactions).drop(SECOND), [], compute, USER_ITEM_RATING, genres.n_genres)


def _by_user(
    events: DataFrame, order: list[Column], compute: Callable[[pa.Table], pa.Table], entity: pa.Schema, n_genres: int
) -> UserRows:
    """Whole users, each sorted by `order`: one shuffle, and as much memory as `_CELLS` allow."""
    sent = events.repartition(c.USER_ID).sortWithinPartitions(c.USER_ID, *order)
    rows = pa.schema([*entity, *schema("user")])
    return UserRows(sent, compute, rows, max(_CELLS // max(n_genres, 1), 1))


def _within_second() -> list[Column]:
    # Interactions without timestamp are ordered as `rows_without_own` orders them.
    return [F.when(F.col(SECOND) == NEVER, F.col(c.RATING)), F.col(c.ITEM_ID)]


def _has_timestamps(interactions: DataFrame) -> bool:
    return interactions.select(c.TIMESTAMP).filter(F.col(c.TIMESTAMP).isNotNull()).limit(1).count() > 0


def _events(interactions: DataFrame) -> DataFrame:
    return interactions.select(
        c.USER_ID,
        F.coalesce(F.unix_seconds(c.TIMESTAMP), F.lit(NEVER)).alias(SECOND),
        c.ITEM_ID,
        F.col(c.RATING).cast("float").alias(c.RATING),
    )


def _queries(queries: DataFrame) -> DataFrame:
    return queries.select(
        c.USER_ID,
        F.coalesce(F.unix_seconds(c.EVENT_TIMESTAMP), F.lit(-NEVER)).alias(SECOND),
        F.lit(True).alias(IS_QUERY),
        F.lit(0).cast("long").alias(c.ITEM_ID),
        F.lit(0).cast("float").alias(c.RATING),
        F.col(c.EVENT_TIMESTAMP).cast("timestamp").alias(c.EVENT_TIMESTAMP),
    )
