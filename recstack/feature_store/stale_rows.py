"""Removes online rows whose writer knew the log up to an earlier time: those of users and items that are gone."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig

LOCK_SECONDS = 60


def remove_stale(
    config: RepoConfig, view: FeatureView, horizon: datetime, registered: Sequence[FeatureView] = ()
) -> None:
    """Remove the rows of a view with a timestamp before `horizon` (UTC).

    Feast has no call for that, so this knows where its SQLite and Redis stores keep rows. In Redis, where rows of all
    views of a user or an item share a key, those before `horizon` of views that are not `registered` go too, if that
    is given: nobody reads them, and they take memory.

    Raises:
        TypeError: the online store is of another kind.
    """
    if isinstance(config.online_store, SqliteOnlineStoreConfig):
        _remove_from_sqlite(config, view, horizon)
    elif isinstance(config.online_store, RedisOnlineStoreConfig):
        from recstack.feature_store.feast_redis.removal import remove_from_redis  # not needed where SQLite is used

        remove_from_redis(config, view, horizon, registered)
    else:
        raise TypeError(f"rows can't be removed from an online store of type {config.online_store.type}")


def _remove_from_sqlite(config: RepoConfig, view: FeatureView, horizon: datetime) -> None:
    path = Path(config.repo_path or ".") / config.online_store.path
    if not path.exists():
        return
    table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    named = '"' + table.replace('"', '""') + '"'
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection, connection:
        exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        if exists:  # Feast's own adapter turns a UTC time without a zone into what it keeps
            before = horizon.astimezone(UTC).replace(tzinfo=None)
            connection.execute(f"DELETE FROM {named} WHERE event_ts < ?", (before,))
