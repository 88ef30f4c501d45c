"""Feast's configuration for recstack's settings; the one place that names store and engine classes."""

from pathlib import Path
from typing import Any

import yaml
from feast import RepoConfig

from recstack.settings import Settings
from recstack.storage.lake import write_atomically

# Names, since a server that only reads lacks DuckDB.
_ASOF_STORE = "recstack.feature_store.feast_duckdb.AsofOfflineStore"
_REDIS_STORE = "recstack.feature_store.feast_redis.store.ColumnarOnlineStore"
_REDIS_ENGINE = "recstack.feature_store.feast_redis.engine.ColumnarEngine"
# Without a name Feast imports Dask, a second of each worker's start, and 30 MB. Nobody connects to this.
_UNUSED_OFFLINE_STORE = {"type": "remote", "host": "offline.invalid"}


def repo_config(settings: Settings) -> RepoConfig:
    """Feast's configuration for these settings."""
    return RepoConfig(**_config(settings))


def online_config(settings: Settings) -> RepoConfig:
    """The same for reading the online store alone: a server needs none of the engines that join and load."""
    config = {name: value for name, value in _config(settings).items() if name != "batch_engine"}
    return RepoConfig(**{**config, "offline_store": _UNUSED_OFFLINE_STORE})


def write_config(settings: Settings) -> Path:
    """Write the configuration as `feature_store.yaml` into the workspace, for the Feast CLI (`feast -f …`)."""
    path = settings.workspace / "feast" / "feature_store.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(_config(settings), sort_keys=False))
    path.chmod(0o600)  # a Redis or SQL connection string holds a password
    return path


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
