"""Online reads: the newest features of many users or items at once, for serving."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
from feast import FeatureStore, FeatureView, RepoConfig
from feast.infra.provider import Provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from recstack import columns as c
from recstack.feature_store.config import REDIS_STORE
from recstack.feature_store.generations import (
    JOIN_KEYS,
    FeatureStoreError,
    Generation,
    generations,
    newest_generation,
    view_name,
)
from recstack.feature_store.values import plain
from recstack.features import spec

_Read = Callable[[Sequence[int]], pa.Table]

log = logging.getLogger(__name__)


class OnlineStore:
    """Reads the features of users and items of one generation, many ids at once, through Feast's provider.

    Looking up the views at each call costs more than the read (benchmarks/online_read.py). They are looked up
    once, and again in the background whenever Feast's cache of the registry has expired. Reads work while a view is
    being materialized; `FeatureStore.get_online_features` refuses them then.
    """

    def __init__(self, config: RepoConfig, generation: str | None = None) -> None:
        """Connect.

        Args:
            config: see `feature_store.config`.
            generation: of the rows to read; None takes the newest one.

        Raises:
            FeatureStoreError: the registry has no such generation, or this code lacks some of its features.
        """
        logging.getLogger("feast").setLevel(logging.ERROR)
        self._store = FeatureStore(config=config)
        self._generation = generation
        self._reads = self._resolve()
        self._lifetime = config.registry.cache_ttl_seconds or float("inf")
        self._resolved = time.monotonic()
        self._refused: FeatureStoreError | None = None

    def users(self, user_ids: Sequence[int]) -> pa.Table:
        """One row an id, in order: user_id, event_timestamp and `spec.schema("user")`; nulls for unknown users.

        Features that this code has and the generation lacks are null, too.

        Raises:
            FeatureStoreError: the registry no longer has this generation.
        """
        return self._read("user", user_ids)

    def items(self, item_ids: Sequence[int]) -> pa.Table:
        """One row an id, in order: item_id, event_timestamp and `spec.schema("item")`; nulls for unknown items.

        Raises:
            FeatureStoreError: the registry no longer has this generation.
        """
        return self._read("item", item_ids)

    def _read(self, owner: spec.Owner, ids: Sequence[int]) -> pa.Table:
        if time.monotonic() - self._resolved > self._lifetime:
            self._resolved = time.monotonic()
            threading.Thread(target=self._refresh, daemon=True).start()
        if self._refused:
            raise self._refused
        return self._reads[owner](ids)

    def _refresh(self) -> None:
        """Read the registry again; if it cannot be reached, its last answer stays in use."""
        try:
            self._reads, self._refused = self._resolve(), None
        except FeatureStoreError as error:
            self._refused = error
        except Exception:
            log.exception("Feast's registry could not be read; its last answer stays in use")

    def _resolve(self) -> dict[spec.Owner, _Read]:
        provider, config = self._store.provider, self._store.config
        online: Any = provider.online_store
        reads: dict[spec.Owner, _Read] = {}
        self.generation = self._declared()
        for owner in JOIN_KEYS:
            view = self._store.get_feature_view(view_name(owner, self.generation.name))
            if config.online_store.type == REDIS_STORE:
                reads[owner] = online.reader(config, view, spec.schema(owner)).read
            else:
                reads[owner] = partial(_read, provider, config, view, owner)
        return reads

    def _declared(self) -> Generation:
        name = self._generation
        found = newest_generation(self._store) if name is None else generations(self._store).get(name)
        if found is None:
            wanted = "feature rows" if name is None else f"feature rows of generation {name}"
            raise FeatureStoreError(
                f"Feast project {self._store.project!r} has no {wanted}: run the pipeline, which loads the online store"
            )
        if not spec.only_adds_to(found.features):
            raise FeatureStoreError(
                f"the feature rows of generation {found.name} have schema {found.feature_schema}, of which this code "
                f"({spec.schema_digest()}) no longer has every feature: run the pipeline"
            )
        return found


def _read(provider: Provider, config: RepoConfig, view: FeatureView, owner: spec.Owner, ids: Sequence[int]) -> pa.Table:
    """Read from any of Feast's stores; the result is that of `feast_redis.reader.Reader.read`."""
    schema = spec.schema(owner)
    key = JOIN_KEYS[owner]
    keys = [EntityKey(join_keys=[key], entity_values=[Value(int64_val=int(i))]) for i in ids]
    rows = provider.online_read(config, view, keys, schema.names) if keys else []
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    timestamps: list[datetime | None] = []
    for timestamp, values in rows:
        timestamps.append(timestamp.replace(tzinfo=UTC) if timestamp and timestamp.tzinfo is None else timestamp)
        for name in schema.names:
            columns[name].append(plain(values[name]) if values and name in values else None)
    return pa.table(
        {
            key: pa.array([int(i) for i in ids], pa.int64()),
            c.EVENT_TIMESTAMP: pa.array(timestamps, pa.timestamp("us", tz="UTC")),
            **{name: pa.array(columns[name], schema.field(name).type) for name in schema.names},
        }
    )
