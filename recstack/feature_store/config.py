"""Feast's configuration for recstack's settings; the one place that names store and engine classes."""

from pathlib import Path
from typing import Any, Final

import yaml
from feast import RepoConfig

from recstack.feature_store.feast_version import require_feast
from recstack.settings import Settings
from recstack.storage.lake import write_atomically

# Feast imports classes by name. A server that only reads has no DuckDB, so nothing here imports them.
ASOF_STORE: Final = "recstack.feature_store.feast_duckdb.AsofOfflineStore"
REDIS_STORE: Final = "recstack.feature_store.feast_redis.store.ColumnarOnlineStore"
ENGINE: Final = "recstack.feature_store.engine.NewestRowsEngine"


def repo_config(settings: Settings) -> RepoConfig:
    """Feast's configuration for these settings.

    Raises:
        UserError: recstack's own store classes do not work with the installed Feast.
    """
    return RepoConfig(**feast_options(settings))


def online_config(settings: Settings) -> RepoConfig:
    """The same for reading the online store alone: a server needs none of the engines that join and load.

    Raises:
        UserError: as `repo_config`.
    """
    options = {name: value for name, value in feast_options(settings).items() if name != "batch_engine"}
    return RepoConfig(**{**options, "offline_store": _unused_offline_store()})


def write_config(settings: Settings) -> Path:
    """Write the configuration as `feature_store.yaml` into the workspace, for the Feast CLI (`feast -f …`).

    Only the owner may read the file: a Redis or SQL connection string holds a password.

    Raises:
        UserError: as `repo_config`.
    """
    path = settings.workspace / "feast" / "feature_store.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(feast_options(settings), sort_keys=False), mode=0o600)
    return path


def feast_options(settings: Settings) -> dict[str, Any]:
    """The content of `feature_store.yaml`.

    Raises:
        UserError: as `repo_config`.
    """
    files = settings.workspace / "feast"
    registry: dict[str, Any] = {"registry_type": "file", "path": str(files / "registry.db")}
    if settings.feast_registry != "file":
        registry = {"registry_type": "sql", "path": settings.feast_registry, "cache_ttl_seconds": 60}
    offline = _spark(settings) if settings.feast_offline == "spark" else {"type": "duckdb"}
    online = {"type": "sqlite", "path": str(files / "online.db")}
    if settings.feast_online != "sqlite":
        online = {"type": "redis", "connection_string": settings.feast_online}
    options = {
        "project": settings.dataset,
        "provider": "local",
        "registry": registry,
        "offline_store": offline,
        "online_store": online,
        "batch_engine": {"type": ENGINE},
        "entity_key_serialization_version": 3,
    }
    return options if settings.feast_stock else _with_own_classes(options)


def _with_own_classes(options: dict[str, Any]) -> dict[str, Any]:
    """Replace Feast's DuckDB and Redis classes by recstack's faster ones.

    Their benchmarks: benchmarks/point_in_time_join.py, benchmarks/materialization.py, benchmarks/online_read.py.
    """
    own = dict(options)
    if options["offline_store"]["type"] == "duckdb":
        require_feast()
        own["offline_store"] = {"type": ASOF_STORE}
    if options["online_store"]["type"] == "redis":
        require_feast()
        own["online_store"] = {**options["online_store"], "type": REDIS_STORE}
    return own


def _spark(settings: Settings) -> dict[str, Any]:
    conf = {
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
    }
    return {"type": "spark", "spark_conf": conf}


def _unused_offline_store() -> dict[str, Any]:
    """A placeholder: reading online features never opens the offline store.

    Where none is named, Feast imports Dask: 1.2 s of CPU time at each worker's start, and 30 MB of memory, measured by
    benchmarks/cold_start.py.
    """
    return {"type": "remote", "host": "offline.invalid"}
