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
from recstack.feature_store.feast_redis.reader import plain
from recstack.feature_store.feast_redis.store import ColumnarOnlineStore
from recstack.feature_store.registry import JOIN_KEYS, VIEWS, FeatureStoreError, service_features
from recstack.features import spec

_Read = Callable[[Sequence[int]], pa.Table]

log = logging.getLogger(__name__)


class OnlineStore:
    """Reads the newest features of users and items, many ids at once, at the provider level of Feast.

    The service is resolved once and again whenever Feast's cache of the registry is out of date, beside the reads:
    looking it up on each call costs more than the read itself. Reads don't depend on a view's materialization state.
    """

    def __init__(self, config: RepoConfig) -> None:
        """Connect.

        Raises:
            FeatureStoreError: the registry has no service `ranking`, or it was applied with another feature schema.
        """
        logging.getLogger("feast").setLevel(logging.ERROR)
        self._store = FeatureStore(config=config)
        self._reads = self._resolve()
        self._lifetime = config.registry.cache_ttl_seconds or float("inf")
        self._resolved = time.monotonic()
        self._refused: FeatureStoreError | None = None

    def users(self, user_ids: Sequence[int]) -> pa.Table:
        """One row an id, in order: user_id, event_timestamp and `spec.schema("user")`; nulls for unknown users.

        Raises:
            FeatureStoreError: by now the registry holds another feature schema, or no service `ranking`.
        """
        return self._read("user", user_ids)

    def items(self, item_ids: Sequence[int]) -> pa.Table:
        """One row an id, in order: item_id, event_timestamp and `spec.schema("item")`; nulls for unknown items.

        Raises:
            FeatureStoreError: by now the registry holds another feature schema, or no service `ranking`.
        """
        return self._read("item", item_ids)

    def _read(self, owner: spec.Owner, ids: Sequence[int]) -> pa.Table:
        if time.monotonic() - self._resolved > self._lifetime:
            self._resolved = time.monotonic()
            threading.Thread(target=self._follow, daemon=True).start()
        if self._refused:
            raise self._refused
        return self._reads[owner](ids)

    def _follow(self) -> None:
        """Take over what the registry says now; a registry that cannot be reached changes nothing."""
        try:
            self._reads, self._refused = self._resolve(), None
        except FeatureStoreError as error:
            self._refused = error
        except Exception:
            log.exception("Feast's registry could not be read; its last answer stays in use")

    def _resolve(self) -> dict[spec.Owner, _Read]:
        provider, config = self._store._get_provider(), self._store.config
        reads: dict[spec.Owner, _Read] = {}
        for owner, name in VIEWS.items():
            service_features(self._store, owner)
            view = self._store.get_feature_view(name)
            if isinstance(provider.online_store, ColumnarOnlineStore):
                reads[owner] = provider.online_store.reader(config, view, spec.schema(owner)).read
            else:
                reads[owner] = partial(_read, provider, config, view, owner)
        return reads


def _read(provider: Provider, config: RepoConfig, view: FeatureView, owner: spec.Owner, ids: Sequence[int]) -> pa.Table:
    """What `Reader.read` gives, from any of Feast's stores."""
    schema = spec.schema(owner)
    key = JOIN_KEYS[owner]
    keys = [EntityKey(join_keys=[key], entity_values=[Value(int64_val=int(i))]) for i in ids]
    rows = provider.online_read(config, view, keys, schema.names) if keys else []
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    stamps: list[datetime | None] = []
    for stamp, values in rows:
        stamps.append(stamp.replace(tzinfo=UTC) if stamp and stamp.tzinfo is None else stamp)
        for name in schema.names:
            columns[name].append(plain(values[name]) if values and name in values else None)
    return pa.table(
        {
            key: pa.array([int(i) for i in ids], pa.int64()),
            c.EVENT_TIMESTAMP: pa.array(stamps, pa.timestamp("us", tz="UTC")),
            **{name: pa.array(columns[name], schema.field(name).type) for name in schema.names},
        }
    )
