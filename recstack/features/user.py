"""User features in Spark: dated snapshots, which Feast serves and the point-in-time join reads."""

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
    NEVER,
    SECOND,
    USER_AND_TIME,
    rows_after_periods,
)
from recstack.features.user_rows import UserRows

SnapshotEvery = Literal["interaction", "day"]

PERIODS: Final[dict[SnapshotEvery, int]] = {"interaction": 1, "day": DAY}
"""Seconds between the times from which something new is known of a user."""
_CELLS: Final = 4_000_000
"""Feature rows x genres held at once, which bounds the memory of a task."""


def snapshots(interactions: DataFrame, genres: ItemGenres, every: SnapshotEvery) -> UserRows:
    """Dated user features; a user has a row for each time from which something new was known.

    Args:
        interactions: user_id, item_id, rating, timestamp.
        genres: the catalogue's genres.
        every: "interaction" gives the row after each interaction the timestamp one second later (the resolution of
            timestamps); "day" gives the row after each day the following midnight UTC, for logs too large for the
            former.

    Returns:
        user_id, event_timestamp and `spec.schema("user")`. Data without timestamps give one row a user, with the
        timestamp `TIMELESS`.
    """
    has_timestamps = _has_timestamps(interactions)
    events, order = _events(interactions), [F.col(SECOND), *_within_second()]
    if not has_timestamps:
        events, order = events.drop(SECOND), []
    compute = partial(rows_after_periods, genres=genres, has_timestamps=has_timestamps, period=PERIODS[every])
    return _by_user(events, order, compute, USER_AND_TIME, genres.n_genres)


def _by_user(
    events: DataFrame, order: list[Column], compute: Callable[[pa.Table], pa.Table], entity: pa.Schema, n_genres: int
) -> UserRows:
    """Whole users, each sorted by `order`: one shuffle, and as much memory as `_CELLS` allow."""
    sent = events.repartition(c.USER_ID).sortWithinPartitions(c.USER_ID, *order)
    rows = pa.schema([*entity, *schema("user")])
    return UserRows(sent, compute, rows, max(_CELLS // max(n_genres, 1), 1))


def _within_second() -> list[Column]:
    # Interactions without timestamp are ordered as `user_chunks` orders data without time.
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
