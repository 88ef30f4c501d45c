"""Two days of a log: what the pipeline makes of each, loaded into an online store, and a model of the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from changing_log import Log

from recstack import columns as c
from recstack.archive.bundle import Bundle, Facts, write_bundle
from recstack.archive.opening import open_engine
from recstack.data.splits import EVERYTHING, TRAIN, VALIDATION
from recstack.feature_store.config import repo_config
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import apply, materialize
from recstack.features import spec
from recstack.models.base import FitContext
from recstack.models.item_item.model import ItemItem
from recstack.recommend import Engine
from recstack.recommend.request import RatingScale
from recstack.settings import Settings
from recstack.storage.lake import Build
from recstack.training.dataset import newest_items, training_data

MONDAY = datetime(2024, 5, 1, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """What the steps before `materialize` made of a log."""

    log: Log
    ingested: Build
    features: Build

    @property
    def rated(self) -> dict[int, set[int]]:
        """Items that each user has rated, by recstack's numbers."""
        rows = pq.read_table(self.ingested.path / "interactions", columns=[c.USER_ID, c.ITEM_ID])
        found: dict[int, set[int]] = {}
        for user, item in zip(rows[c.USER_ID].to_pylist(), rows[c.ITEM_ID].to_pylist(), strict=True):
            found.setdefault(user, set()).add(item)
        return found


@dataclass(frozen=True)
class TwoDays:
    """Both days in one lake."""

    first: Day
    second: Day
    new_generation: bool


@contextmanager
def schema_of(day: Day | None) -> Iterator[None]:
    """The code as it is on this day, whose features may have another schema."""
    with pytest.MonkeyPatch.context() as patched:
        if day is not None and day.log.recent_length is not None:
            patched.setattr(spec, "RECENT_LENGTH", day.log.recent_length)
        yield


def load(settings: Settings, day: Day, horizon: datetime) -> None:
    """Declare and load, as the flow `materialize` does."""
    with schema_of(day):
        apply(settings, day.features.path, horizon)
        materialize(settings, day.features.path)


def bundle_of(settings: Settings, day: Day, folder: Path) -> Bundle:
    """A model of this day, as the flow `train` publishes it."""
    data = training_data(settings, day.features, (TRAIN, VALIDATION))
    facts = Facts(
        model_version=day.features.path.name,
        dataset=settings.dataset,
        generation=day.features.manifest["generation"],
        timed=day.log.timed,
        scale=RatingScale(low=1, high=5, liked=4),
        config={},
        data_fingerprint="0",
        run_id=None,
    )
    folder.mkdir()
    model = ItemItem.fit(data, FitContext(seed=0))
    titles = pq.read_table(day.ingested.path / "items")
    write_bundle(folder, model, data.encoder, titles, newest_items(settings, day.features, EVERYTHING), facts)
    return Bundle.read(folder)


def open_at(bundle: Bundle, settings: Settings, day: Day) -> Engine:
    """The engine of a bundle as a worker opens it that starts on this day."""
    return open_engine(bundle, settings, int((MONDAY + timedelta(days=2)).timestamp()))


def ids(day: Day, owner: str, key: str) -> set[int]:
    return set(pq.read_table(day.features.path / owner, columns=[key])[key].to_pylist())


def rows(settings: Settings, two_days: TwoDays, day: Day | None) -> dict[str, pa.Table]:
    """Every online row of the day's generation, also of users and items that only the other day has.

    Without a day of the newest generation, in whatever state a killed load left it.
    """
    with schema_of(day):
        online = OnlineStore(repo_config(settings), day.features.manifest["generation"] if day else None)
    both = (two_days.first, two_days.second)
    users = sorted(set.union(*(ids(each, "user", c.USER_ID) for each in both)))
    items = sorted(set.union(*(ids(each, "item", c.ITEM_ID) for each in both)))
    found = {"user": online.users(users), "item": online.items(items)}
    if day is None:
        return {owner: table.drop_columns([c.EVENT_TIMESTAMP]) for owner, table in found.items()}
    known = {"user": ids(day, "user", c.USER_ID), "item": ids(day, "item", c.ITEM_ID)}
    for owner, key in (("user", c.USER_ID), ("item", c.ITEM_ID)):  # unknown ids have nulls, whatever the store
        for row in found[owner].drop_columns([c.EVENT_TIMESTAMP]).to_pylist():
            values = {name: value for name, value in row.items() if name != key and value is not None}
            assert bool(values) == (row[key] in known[owner]), (owner, row[key], values)
    return {owner: table.drop_columns([c.EVENT_TIMESTAMP]) for owner, table in found.items()}
