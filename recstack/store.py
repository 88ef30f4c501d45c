"""Features out of Feast: `historical` for training, `OnlineStore` for serving, both through one FeatureService."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from feast import FeatureStore, FeatureView, Project, RepoConfig
from feast.errors import FeastError
from feast.infra.provider import Provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from recstack import columns as c
from recstack.errors import UserError
from recstack.features import spec
from recstack.online.columnar_store import ColumnarOnlineStore
from recstack.online.reader import plain
from recstack.settings import ROOT, Settings
from recstack.storage.lake import current, write_atomically

FEATURE_REPO = ROOT / "feature_repo"
_JOIN_KEYS: dict[spec.Owner, str] = {"user": c.USER_ID, "item": c.ITEM_ID}
_VIEWS: dict[spec.Owner, str] = {"user": spec.USER_VIEW, "item": spec.ITEM_VIEW}
# Names, since a server that only reads lacks DuckDB.
_ASOF_STORE = "recstack.point_in_time.AsofOfflineStore"
_REDIS_STORE = "recstack.online.columnar_store.ColumnarOnlineStore"
_REDIS_ENGINE = "recstack.online.engine.ColumnarEngine"

_Read = Callable[[Sequence[int]], pa.Table]

# Without a name Feast imports Dask, a second of each worker's start, and 30 MB. Nobody connects to this.
_ELSEWHERE = {"type": "remote", "host": "offline.invalid"}

log = logging.getLogger(__name__)


class FeatureStoreError(UserError):
    """Feast could not do what was asked; the message says what and what to do."""


def repo_config(settings: Settings) -> RepoConfig:
    """Feast's configuration for these settings."""
    return RepoConfig(**_config(settings))


def online_config(settings: Settings) -> RepoConfig:
    """The same for reading the online store alone: a server needs none of the engines that join and load."""
    config = {name: value for name, value in _config(settings).items() if name != "batch_engine"}
    return RepoConfig(**{**config, "offline_store": _ELSEWHERE})


def write_config(settings: Settings) -> Path:
    """Write the configuration as `feature_store.yaml` into the workspace, for the Feast CLI (`feast -f …`)."""
    path = settings.workspace / "feast" / "feature_store.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(_config(settings), sort_keys=False))
    path.chmod(0o600)  # a Redis or SQL connection string holds a password
    return path


def apply(settings: Settings) -> None:
    """Bring Feast's registry in line with the feature tables in use, as `feast apply` in `feature_repo/` does.

    Raises:
        FeatureStoreError: no features were built yet, or Feast refused; the message says why.
    """
    from recstack.features.views import declare  # needs Spark's packages, which a server that only reads lacks

    try:
        declared = declare(current(settings.lake / "features").path, settings.feast_offline)
    except FileNotFoundError as error:
        raise FeatureStoreError(str(error)) from error
    write_config(settings)
    store = FeatureStore(config=repo_config(settings))
    views = [view for view in store.list_feature_views() if view.name not in _VIEWS.values()]
    services = [service for service in store.list_feature_services() if service.name != spec.SERVICE]
    try:
        store.apply([Project(name=settings.dataset), *declared], objects_to_delete=[*services, *views], partial=False)
    except (FeastError, ValueError) as error:
        raise FeatureStoreError(f"Feast refused the feature tables of {settings.dataset!r}: {error}") from error


def materialize(settings: Settings, end: datetime) -> None:
    """Load the newest feature rows up to `end` into the online store."""
    store = FeatureStore(config=repo_config(settings))
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), end)


def historical(settings: Settings, owner: spec.Owner, entities: pa.Table) -> pa.Table:
    """Point-in-time join: for each row the newest features at or before its moment.

    Args:
        settings: which store.
        owner: "user" or "item".
        entities: N rows of (user_id or item_id, event_timestamp).

    Returns:
        The N rows in their order with the columns of `spec.schema(owner)`; nulls where nothing was known yet.

    Raises:
        FeatureStoreError: rows were lost or multiplied by the offline store.
    """
    store = FeatureStore(config=repo_config(settings))
    features = [f"{_VIEWS[owner]}:{name}" for name in _service_features(store, owner)]
    schema = spec.schema(owner)
    if not len(entities):
        return pa.schema([*entities.schema, *schema]).empty_table()
    places = np.arange(len(entities))
    frame = entities.append_column("row", pa.array(places)).to_pandas()
    joined = store.get_historical_features(entity_df=frame, features=features).to_arrow()
    if not np.array_equal(joined["row"], places):  # Spark keeps no order
        joined = joined.sort_by("row")
    if not np.array_equal(joined["row"], places):
        raise FeatureStoreError(
            f"the offline store returned {len(joined)} rows for {len(entities)} {owner} entity rows; "
            "use feast_offline=duckdb or spark (Feast's `file` store drops rows)"
        )
    return pa.table(
        [*entities.columns, *(joined[name].cast(schema.field(name).type) for name in schema.names)],
        schema=pa.schema([*entities.schema, *schema]),
    )


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
        for owner, name in _VIEWS.items():
            _service_features(self._store, owner)
            view = self._store.get_feature_view(name)
            if isinstance(provider.online_store, ColumnarOnlineStore):
                reads[owner] = provider.online_store.reader(config, view, spec.schema(owner)).read
            else:
                reads[owner] = partial(_read, provider, config, view, owner)
        return reads


def _read(provider: Provider, config: RepoConfig, view: FeatureView, owner: spec.Owner, ids: Sequence[int]) -> pa.Table:
    """What `Reader.read` gives, from any of Feast's stores."""
    schema = spec.schema(owner)
    key = _JOIN_KEYS[owner]
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


def _service_features(store: FeatureStore, owner: spec.Owner) -> list[str]:
    """Names that the one FeatureService serves for an owner.

    Raises:
        FeatureStoreError: no such service, or its schema is not this code's.
    """
    service = {s.name: s for s in store.list_feature_services()}.get(spec.SERVICE)
    if service is None:
        raise FeatureStoreError(
            f"Feast project {store.project!r} has no service {spec.SERVICE!r}: run `feast apply` in feature_repo"
        )
    if service.tags.get("feature_schema") != spec.schema_digest():
        raise FeatureStoreError(
            f"Feast's registry holds feature schema {service.tags.get('feature_schema')}, this code defines "
            f"{spec.schema_digest()}: rebuild the features and run `feast apply`"
        )
    projection = next(p for p in service.feature_view_projections if p.name == _VIEWS[owner])
    return [field.name for field in projection.features]


def _config(settings: Settings) -> dict[str, Any]:
    files = settings.workspace / "feast"
    online: dict[str, Any] = {"type": "sqlite", "path": str(files / "online.db")}
    engine = {}
    if settings.feast_online != "sqlite":
        online = {"type": _REDIS_STORE, "connection_string": settings.feast_online}
        engine = {"batch_engine": {"type": _REDIS_ENGINE}}
    registry: dict[str, Any] = {"registry_type": "file", "path": str(files / "registry.db")}
    if settings.feast_registry != "file":
        registry = {"registry_type": "sql", "path": settings.feast_registry, "cache_ttl_seconds": 60}
    offline: dict[str, Any] = {"type": _ASOF_STORE}
    if settings.feast_offline == "spark":
        conf = {
            "spark.master": settings.spark_master,
            "spark.driver.memory": settings.spark_driver_memory,
            "spark.sql.session.timeZone": "UTC",
            "spark.ui.enabled": "false",
        }
        offline = {"type": "spark", "spark_conf": conf}
    return {
        "project": settings.dataset,
        "provider": "local",
        "registry": registry,
        "offline_store": offline,
        "online_store": online,
        **engine,
        "entity_key_serialization_version": 3,
    }
