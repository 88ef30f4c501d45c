"""The point-in-time training set: each interaction with the features as they were just before it."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.data.folders import INTERACTIONS_FOLDER
from recstack.data.splits import EVERYTHING
from recstack.data.timestamps import TIMELESS
from recstack.errors import DataError
from recstack.feature_store.offline import historical
from recstack.features import vocabulary
from recstack.features.arrays import Ints
from recstack.features.build import items_of, training_users_of
from recstack.features.encode import Encoder
from recstack.features.interaction_log import MICROSECOND, InteractionLog
from recstack.features.item_genres import ItemGenres
from recstack.features.user import PERIODS
from recstack.features.users_as_of import UsersAsOf, in_memory
from recstack.models.training_data import TrainingData, rows_of_some_users
from recstack.settings import Settings
from recstack.storage.lake import Build
from recstack.training.store_check import check_against_store

STATISTICS_FROM: Final = 100_000
"""Rows whose features give the encoder its means and deviations; of more, those of users drawn at random."""

JOINED_AT_ONCE: Final = 4_000_000
"""Rows of items that Feast joins at once, which bounds the memory of large catalogues."""


def training_data(
    settings: Settings, features: Build, parts: tuple[str, ...], positive_from: float | None = None
) -> TrainingData:
    """The interactions of `parts` with their features as of their timestamps.

    Timestamped data: a user's history up to the newest snapshot before each interaction, and the items' popularity at
    the newest item snapshot. Data without time: the user's other interactions in these parts, and items that were
    counted in these parts alone. A sample of the rows is compared with what Feast's join gives.

    Args:
        settings: which Feast store.
        features: what `build_features` published, applied to Feast.
        parts: which parts of the split to learn from.
        positive_from: leave out rows that are rated lower. They stay in the features: a user's history is all that
            the user did.

    Returns:
        N rows sorted by (user, time, item).

    Raises:
        DataError: there is no row, or none is rated as high as `positive_from`.
        FeatureStoreError: the feature store has other features.
    """
    timed = bool(features.manifest["has_timestamps"])
    words = vocabulary.load(features.path)
    rows = pq.read_table(features.path / INTERACTIONS_FOLDER, filters=pc.field(c.SPLIT).isin(list(parts)))
    rows = _positives(_first_of_each_pair(rows) if timed else rows, parts, positive_from)
    rows = rows.sort_by([(name, "ascending") for name in (c.USER_ID, c.TIMESTAMP, c.ITEM_ID)])
    user_ids, item_ids = rows[c.USER_ID].to_numpy(), rows[c.ITEM_ID].to_numpy()
    if timed:
        timestamp = _seconds(rows[c.TIMESTAMP])
        period = PERIODS[features.manifest["inputs"]["snapshot_every"]]
        known = InteractionLog.read(features.path).before(user_ids, timestamp // period * period)
        dates = _snapshot_dates(features, parts)
        (newest,) = _item_snapshots(settings, features, dates[-1:])
        earlier = _item_snapshots(settings, features, dates[:-1])
    else:
        timestamp = np.full(len(rows), TIMELESS, dtype=np.int64)
        known = InteractionLog.read(features.path, parts).without_each(user_ids, item_ids)
        dates, earlier = np.array([TIMELESS]), iter(())
        newest = pq.read_table(features.path / items_of(parts))

    genres = ItemGenres.of(newest, len(words), features.manifest["inputs"]["alpha"])
    check_against_store(settings, features, genres, known, user_ids, timestamp)
    some = rows_of_some_users(user_ids, STATISTICS_FROM)
    encoder = Encoder.fit(known.features(some, genres), timestamp[some], newest, words, genres.alpha)
    items = encoder.items(newest)
    chosen = pq.read_table(features.path / training_users_of(parts))[c.USER_ID].to_numpy()
    return TrainingData(
        encoder=encoder,
        items=items,
        user=np.unique(user_ids, return_inverse=True)[1].astype(np.int64),
        item=encoder.positions(item_ids),
        rating=rows[c.RATING].to_numpy().astype(np.float32),
        timestamp=timestamp,
        users=in_memory(UsersAsOf(known, genres, encoder, user_ids, timestamp)),
        popularity=np.stack([*map(encoder.popularity, earlier), items.popularity]),
        snapshot=np.searchsorted(dates, timestamp, side="right") - 1,
        eligible=np.isin(user_ids, chosen),
    )


def newest_items(settings: Settings, features: Build, parts: tuple[str, ...]) -> pa.Table:
    """Item features of the whole catalogue at the newest snapshot that a model of these parts may see.

    Returns:
        item_id, event_timestamp, `spec.schema("item")`.
    """
    if not features.manifest["has_timestamps"]:
        return pq.read_table(features.path / items_of(parts))
    return next(_item_snapshots(settings, features, _snapshot_dates(features, parts)[-1:]))


def _first_of_each_pair(rows: pa.Table) -> pa.Table:
    """The first interaction of each user with each item, with the newest rating that these rows have of it.

    Serving never offers what was seen, so a repetition is nothing to learn to find. Features count it like all others.
    """
    user, item, time = (rows[name].cast(pa.int64()).to_numpy() for name in (c.USER_ID, c.ITEM_ID, c.TIMESTAMP))
    order = np.lexsort((time, item, user))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(user[order]) != 0) | (np.diff(item[order]) != 0)
    if is_first.all():
        return rows
    newest = rows[c.RATING].take(order[np.roll(is_first, -1)])
    first = rows.take(order[is_first])
    return first.set_column(first.schema.get_field_index(c.RATING), c.RATING, newest)


def _positives(rows: pa.Table, parts: tuple[str, ...], positive_from: float | None) -> pa.Table:
    if not len(rows):
        raise DataError(
            f"the split leaves nothing in {' + '.join(parts)}, so there is nothing to learn from: add data"
            " or choose another protocol"
        )
    if positive_from is None:
        return rows
    positives = rows.filter(pc.field(c.RATING) >= pa.scalar(positive_from, pa.float32()))
    if not len(positives):
        raise DataError(
            f"none of the {len(rows)} interactions to learn from is rated {positive_from:g} or more, so there is"
            " nothing to learn from with the target positive; choose the target implicit"
        )
    return positives


def _seconds(timestamps: pa.ChunkedArray) -> Ints:
    seconds: Ints = pc.cast(timestamps, pa.int64()).to_numpy() // MICROSECOND
    return seconds


def _catalogue(features: Build) -> Ints:
    ids: Ints = np.unique(pq.read_table(features.path / "item", columns=[c.ITEM_ID])[c.ITEM_ID].to_numpy())
    return ids


def _snapshot_dates(features: Build, parts: tuple[str, ...]) -> Ints:
    """Epoch seconds of the item snapshots up to the end of these parts; all of them for the whole log."""
    timestamps = pq.read_table(features.path / "item", columns=[c.EVENT_TIMESTAMP])[c.EVENT_TIMESTAMP]
    seconds = np.unique(_seconds(timestamps))
    if set(parts) == set(EVERYTHING):
        return seconds
    end = log_end(features, parts)
    return seconds[:0] if end is None else seconds[seconds <= end]


def log_end(features: Build, parts: tuple[str, ...]) -> int | None:
    """Epoch second of the last interaction of these parts; None without timestamps."""
    rows = pq.read_table(
        features.path / INTERACTIONS_FOLDER, columns=[c.TIMESTAMP], filters=pc.field(c.SPLIT).isin(list(parts))
    )
    last = pc.max(rows[c.TIMESTAMP]).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).as_py()
    return None if last is None else int(last) // MICROSECOND


def _item_snapshots(settings: Settings, features: Build, dates: Ints) -> Iterator[pa.Table]:
    """Item features of the whole catalogue at one date after the other, out of Feast."""
    item_ids = _catalogue(features)
    at_once = max(1, JOINED_AT_ONCE // max(len(item_ids), 1))
    for first in range(0, len(dates), at_once):
        some = dates[first : first + at_once]
        timestamps = pa.array(np.repeat(some, len(item_ids)) * MICROSECOND, pa.timestamp("us", tz="UTC"))
        entities = pa.table({c.ITEM_ID: np.tile(item_ids, len(some)), c.EVENT_TIMESTAMP: timestamps})
        joined = historical(settings, "item", entities, features.path)
        for start in range(0, len(joined), len(item_ids)):
            yield joined.slice(start, len(item_ids))
