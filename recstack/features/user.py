"""User features in Spark: as of any (user, moment), as dated snapshots, and with the row's own rating taken out."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.features.arrays import Ints
from recstack.features.profile import Histories, ItemGenres, states_without_own, user_states
from recstack.features.spec import schema
from recstack.features.user_rows import UserRows

SnapshotEvery = Literal["interaction", "day"]

TIMELESS = 86_400
"""Epoch second that stamps the rows of data without time: before any request, so that a join always finds them."""

_IS_POINT = "is_point"
_SECOND = "second"
_NEVER = -(2**62)  # stands for "no timestamp": before every moment
_CELLS = 4_000_000  # points x genres held at once, which bounds the memory of a task
_ENTITY = pa.schema([(c.USER_ID, pa.int64()), (c.EVENT_TIMESTAMP, pa.timestamp("us", tz="UTC"))])


def as_of(interactions: DataFrame, points: DataFrame, genres: ItemGenres) -> UserRows:
    """User features at given moments, from the interactions strictly before each of them.

    Args:
        interactions: user_id, item_id, rating, timestamp. A null timestamp lies before every moment.
        points: user_id, event_timestamp (distinct). A null moment sees everything.
        genres: the catalogue's genres.

    Returns:
        user_id, event_timestamp and `spec.schema("user")`, one row a point; users without history have nulls.
    """
    timed = _timed(interactions)
    no_point = [F.lit(False).alias(_IS_POINT), F.lit(None).cast("timestamp").alias(c.EVENT_TIMESTAMP)]
    events = _events(interactions).select("*", *no_point).unionByName(_points(points))
    # A point sorts before the interactions of its own second: it never sees its own target.
    order = [F.col(_SECOND), F.desc(_IS_POINT), *_within_second()]
    return _by_user(events, order, lambda chunk: _states_at_points(chunk, genres, timed), _ENTITY, genres.n_genres)


def snapshots(interactions: DataFrame, genres: ItemGenres, every: SnapshotEvery) -> UserRows:
    """Dated user features; a user has a row for each moment at which something new became known.

    Args:
        interactions: user_id, item_id, rating, timestamp.
        genres: the catalogue's genres.
        every: "interaction" stamps the state after each interaction one second later (the resolution of
            timestamps); "day" stamps it at the following midnight UTC, for logs too large for the former.

    Returns:
        As `as_of`. Data without timestamps give one row a user, stamped `TIMELESS`.
    """
    timed = _timed(interactions)
    period = {"interaction": 1, "day": 86_400}[every]
    order = [F.col(_SECOND), *_within_second()] if timed else []

    def states(chunk: pa.Table) -> pa.Table:
        return _states_after(chunk if timed else _worst_first(chunk), genres, timed, period)

    events = _events(interactions) if timed else _events(interactions).drop(_SECOND)
    return _by_user(events, order, states, _ENTITY, genres.n_genres)


def without_own(interactions: DataFrame, genres: ItemGenres) -> UserRows:
    """For data without time: each interaction with its user's features minus this interaction's contribution.

    Returns:
        user_id, item_id, rating and `spec.schema("user")`, one row an interaction.
    """
    entity = pa.schema([(c.USER_ID, pa.int64()), (c.ITEM_ID, pa.int64()), (c.RATING, pa.float32())])

    def states(chunk: pa.Table) -> pa.Table:
        chunk = _worst_first(chunk)
        start, end = _borders(chunk[c.USER_ID].to_numpy())
        rows = states_without_own(_histories(chunk, timed=False), start, end, genres)
        return _join(chunk.select(entity.names).cast(entity), rows)

    return _by_user(_events(interactions).drop(_SECOND), [], states, entity, genres.n_genres)


def _by_user(
    events: DataFrame, order: list[Column], states: Callable[[pa.Table], pa.Table], entity: pa.Schema, n_genres: int
) -> UserRows:
    """Whole users, each sorted by `order`: one shuffle, and as much memory as `_CELLS` allow."""
    sent = events.repartition(c.USER_ID).sortWithinPartitions(c.USER_ID, *order)
    rows = pa.schema([*entity, *schema("user")])
    return UserRows(sent, states, rows, max(_CELLS // max(n_genres, 1), 1))


def _within_second() -> list[Column]:
    # Interactions whose moment is not known stand in the order of `_worst_first`.
    return [F.when(F.col(_SECOND) == _NEVER, F.col(c.RATING)), F.col(c.ITEM_ID)]


def _timed(interactions: DataFrame) -> bool:
    return interactions.select(c.TIMESTAMP).filter(F.col(c.TIMESTAMP).isNotNull()).limit(1).count() > 0


def _events(interactions: DataFrame) -> DataFrame:
    return interactions.select(
        c.USER_ID,
        F.coalesce(F.unix_seconds(c.TIMESTAMP), F.lit(_NEVER)).alias(_SECOND),
        c.ITEM_ID,
        F.col(c.RATING).cast("float").alias(c.RATING),
    )


def _points(points: DataFrame) -> DataFrame:
    return points.select(
        c.USER_ID,
        F.coalesce(F.unix_seconds(c.EVENT_TIMESTAMP), F.lit(-_NEVER)).alias(_SECOND),
        F.lit(True).alias(_IS_POINT),
        F.lit(0).cast("long").alias(c.ITEM_ID),
        F.lit(0).cast("float").alias(c.RATING),
        F.col(c.EVENT_TIMESTAMP).cast("timestamp").alias(c.EVENT_TIMESTAMP),
    )


def _states_at_points(events: pa.Table, genres: ItemGenres, timed: bool) -> pa.Table:
    is_point = events[_IS_POINT].to_numpy()
    users = events[c.USER_ID].to_numpy()
    interactions_before = np.concatenate([[0], np.cumsum(~is_point)])
    first_event = np.searchsorted(users, users)
    start, end = interactions_before[first_event][is_point], interactions_before[:-1][is_point]
    histories = _histories(events.filter(pa.array(~is_point)), timed)
    entity = events.filter(pa.array(is_point)).select(_ENTITY.names).cast(_ENTITY)
    return _join(entity, user_states(histories, start, end, genres))


def _states_after(events: pa.Table, genres: ItemGenres, timed: bool, period: int) -> pa.Table:
    """The state at the end of each period of each user, stamped with the second from which it was known."""
    users, second = events[c.USER_ID].to_numpy(), _seconds(events)
    _, end = _borders(users, second // period)
    start = np.searchsorted(users, users[end - 1])
    moment = (second[end - 1] // period + 1) * period
    stamp = np.where(second[end - 1] == _NEVER, TIMELESS, moment) * 1_000_000
    entity = pa.table({c.USER_ID: users[end - 1], c.EVENT_TIMESTAMP: stamp}).cast(_ENTITY)
    return _join(entity, user_states(_histories(events, timed), start, end, genres))


def _histories(events: pa.Table, timed: bool) -> Histories:
    rating = events[c.RATING].to_numpy().astype(np.float64)
    return Histories(events[c.ITEM_ID].to_numpy(), rating, _seconds(events), timed)


def _worst_first(events: pa.Table) -> pa.Table:
    """Order events without time within each user: by rating, so that "recent" means "liked best", then by item."""
    users, item, rating = (events[name].to_numpy() for name in (c.USER_ID, c.ITEM_ID, c.RATING))
    # Each key is shifted above those of all earlier users: nearly sorted, which a stable sort is fast at.
    owner = np.cumsum(np.diff(users, prepend=users[0]) != 0)
    by_item = np.argsort((owner << 32) + item, kind="stable")  # ids are below 2^32: contract.MAX_ITEM_ID
    height = rating + owner * (np.ptp(rating) + 1.0)
    order = by_item[np.argsort(height[by_item], kind="stable")]
    return pa.table({c.USER_ID: users, c.ITEM_ID: item[order], c.RATING: rating[order]})


def _seconds(events: pa.Table) -> Ints:
    return events[_SECOND].to_numpy() if _SECOND in events.column_names else np.full(len(events), _NEVER)


def _borders(*keys: Ints) -> tuple[Ints, Ints]:
    """First row of each run of equal keys, and one past its last."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    start = np.flatnonzero(new)
    return start, np.append(start[1:], len(new))


def _join(entity: pa.Table, states: pa.Table) -> pa.Table:
    return pa.table([*entity.columns, *states.columns], schema=pa.schema([*entity.schema, *states.schema]))
