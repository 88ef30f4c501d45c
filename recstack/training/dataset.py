"""The point-in-time training set: each interaction with the features as they were just before it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.features import vocabulary
from recstack.features.build import without_own
from recstack.features.encode import Encoder, Ints
from recstack.features.user import TIMELESS
from recstack.lake import Build
from recstack.models.base import TrainingData
from recstack.settings import Settings
from recstack.store import historical

MICROSECOND = 1_000_000


def training_data(settings: Settings, features: Build, parts: tuple[str, ...]) -> TrainingData:
    """Join the interactions of `parts` with Feast's features at their moments.

    Timestamped data: Feast's historical retrieval finds the newest user snapshot before each interaction and the
    items' popularity at the newest item snapshot. Data without time: the rows whose own contribution the feature job
    took out.

    Args:
        settings: which Feast store.
        features: what `build_features` published, applied to Feast.
        parts: which parts of the split to learn from.

    Returns:
        N rows sorted by (user, time, item).
    """
    timed = bool(features.manifest["has_timestamps"])
    genres = vocabulary.load(features.path)
    source = "interactions" if timed else without_own(parts)
    rows = pq.read_table(features.path / source)
    if timed:
        rows = rows.filter(pc.field(c.SPLIT).isin(list(parts)))
        rows = rows.sort_by([(c.USER_ID, "ascending"), (c.TIMESTAMP, "ascending"), (c.ITEM_ID, "ascending")])
        entities = pa.table({c.USER_ID: rows[c.USER_ID], c.EVENT_TIMESTAMP: rows[c.TIMESTAMP]})
        users = historical(settings, "user", entities)
        moment = pc.cast(rows[c.TIMESTAMP], pa.int64()).to_numpy() // MICROSECOND
    else:
        users = rows = rows.sort_by([(c.USER_ID, "ascending"), (c.ITEM_ID, "ascending")])
        moment = np.full(len(rows), TIMELESS, dtype=np.int64)

    dates = _snapshot_dates(features, int(moment.max()) if len(moment) else TIMELESS)
    snapshots = _item_snapshots(settings, _catalogue(features), dates)
    encoder = Encoder.fit(users, moment, snapshots[-1], genres)
    encoded = [encoder.items(snapshot) for snapshot in snapshots]
    user_ids = rows[c.USER_ID].to_numpy()
    chosen = pq.read_table(features.path / "training_users")[c.USER_ID].to_numpy()
    return TrainingData(
        encoder=encoder,
        items=encoded[-1],
        user=np.unique(user_ids, return_inverse=True)[1].astype(np.int64),
        item=encoder.positions(rows[c.ITEM_ID].to_numpy()),
        rating=rows[c.RATING].to_numpy().astype(np.float32),
        moment=moment,
        users=encoder.users(users, moment),
        popularity=np.stack([batch.popularity for batch in encoded]),
        snapshot=np.searchsorted(dates, moment, side="right") - 1,
        eligible=np.isin(user_ids, chosen),
    )


def newest_items(settings: Settings, features: Build) -> pa.Table:
    """Item features of the whole catalogue at the newest snapshot: item_id, event_timestamp, `spec.schema("item")`."""
    dates = _snapshot_dates(features, 2**40)
    return _item_snapshots(settings, _catalogue(features), dates[-1:])[0]


def _catalogue(features: Build) -> Ints:
    ids: Ints = np.unique(pq.read_table(features.path / "item", columns=[c.ITEM_ID])[c.ITEM_ID].to_numpy())
    return ids


def _snapshot_dates(features: Build, last_moment: int) -> Ints:
    """Epoch seconds of the item snapshots that the training part may see."""
    stamps = pq.read_table(features.path / "item", columns=[c.EVENT_TIMESTAMP])[c.EVENT_TIMESTAMP]
    seconds = np.unique(pc.cast(stamps, pa.int64()).to_numpy()) // MICROSECOND
    return seconds[seconds <= last_moment]


def _item_snapshots(settings: Settings, item_ids: Ints, dates: Ints) -> list[pa.Table]:
    """Item features of the whole catalogue at each date, out of Feast."""
    stamps = pa.array(np.repeat(dates, len(item_ids)) * MICROSECOND, pa.timestamp("us", tz="UTC"))
    entities = pa.table({c.ITEM_ID: np.tile(item_ids, len(dates)), c.EVENT_TIMESTAMP: stamps})
    joined = historical(settings, "item", entities)
    return [joined.slice(i * len(item_ids), len(item_ids)) for i in range(len(dates))]
