"""The part of the user jobs that runs in Spark's Python workers: from the events of whole users to feature rows."""

from typing import Final

import numpy as np
import pyarrow as pa

from recstack import columns as c
from recstack.data.timestamps import TIMELESS
from recstack.features.arrays import Ints
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.user_features import user_features

SECOND: Final = "epoch_second"
"""Column of the events: when one happened, in whole seconds."""
NEVER: Final = -(2**62)
"""`SECOND` of an interaction without timestamp: before every other."""

USER_AND_TIME: Final = pa.schema([(c.USER_ID, pa.int64()), (c.EVENT_TIMESTAMP, pa.timestamp("us", tz="UTC"))])


def rows_after_periods(events: pa.Table, genres: ItemGenres, has_timestamps: bool, period: int) -> pa.Table:
    """A row at the end of each period of each user in which something happened.

    Its timestamp is the first second of the next period: from then on the row is known.

    Args:
        events: user_id, `SECOND` (if there are timestamps), item_id, rating, by user and in order of time.
        genres: the catalogue's genres.
        has_timestamps: whether any interaction has one.
        period: seconds.
    """
    events = events if has_timestamps else _by_rating(events)
    users, second = events[c.USER_ID].to_numpy(), _seconds(events)
    _, end = _runs(users, second // period)
    start = np.searchsorted(users, users[end - 1])
    known_from = (second[end - 1] // period + 1) * period
    micros = np.where(second[end - 1] == NEVER, TIMELESS, known_from) * 1_000_000
    entity = pa.table({c.USER_ID: users[end - 1], c.EVENT_TIMESTAMP: micros}).cast(USER_AND_TIME)
    return _join(entity, user_features(Past(_histories(events, has_timestamps), start, end), genres))


def _histories(events: pa.Table, has_timestamps: bool) -> Histories:
    rating = events[c.RATING].to_numpy().astype(np.float64)
    return Histories(events[c.ITEM_ID].to_numpy(), rating, _seconds(events), has_timestamps)


def _by_rating(events: pa.Table) -> pa.Table:
    """Events without timestamps in ascending order of rating, so that "recent" means "liked best", then of item."""
    users, item, rating = (events[name].to_numpy() for name in (c.USER_ID, c.ITEM_ID, c.RATING))
    # Each key is shifted above those of all earlier users: nearly sorted, which a stable sort is fast at.
    owner = np.cumsum(np.diff(users, prepend=users[0]) != 0)
    by_item = np.argsort((owner << 32) + item, kind="stable")  # ids are below 2^32: contract.MAX_ITEM_ID
    height = rating + owner * (np.ptp(rating) + 1.0)
    order = by_item[np.argsort(height[by_item], kind="stable")]
    return pa.table({c.USER_ID: users, c.ITEM_ID: item[order], c.RATING: rating[order]})


def _seconds(events: pa.Table) -> Ints:
    return events[SECOND].to_numpy() if SECOND in events.column_names else np.full(len(events), NEVER)


def _runs(*keys: Ints) -> tuple[Ints, Ints]:
    """First row of each run of equal keys, and one past its last."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    start = np.flatnonzero(new)
    return start, np.append(start[1:], len(new))


def _join(entity: pa.Table, features: pa.Table) -> pa.Table:
    return pa.table([*entity.columns, *features.columns], schema=pa.schema([*entity.schema, *features.schema]))
