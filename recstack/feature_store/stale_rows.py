"""Removes online rows: those whose writer knew the log up to an earlier time, and all of one user or item."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig

from recstack.feature_store.online_write import entity_keys

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


def remove_entities(config: RepoConfig, view: FeatureView, ids: list[int]) -> int:
    """Remove all rows of these users or items, of every view in this project, and whatever their timestamps.

    Args:
        config: configuration of the feature store.
        view: any view with the entity's key.
        ids: of the users or items.

    Returns:
        How many rows were there: in SQLite one for each view, in Redis one for each user or item.

    Raises:
        TypeError: the online store is of another kind.
    """
    if isinstance(config.online_store, SqliteOnlineStoreConfig):
        return _remove_entities_from_sqlite(config, view, ids)
    if isinstance(config.online_store, RedisOnlineStoreConfig):
        from recstack.feature_store.feast_redis.removal import remove_from_every_view

        return remove_from_every_view(config, view, ids)
    raise TypeError(f"rows can't be removed from an online store of type {config.online_store.type}")


def _remove_entities_from_sqlite(config: RepoConfig, view: FeatureView, ids: list[int]) -> int:
    """From all tables of the project: Feast may have left some of views that are no longer registered."""
    path = Path(config.repo_path or ".") / config.online_store.path
    if not path.exists():
        return 0
    keys = [serialize_entity_key(key, config.entity_key_serialization_version) for key in entity_keys(view, ids)]
    removed = 0
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
        connection.execute("PRAGMA secure_delete = ON")  # overwrites what it deletes
        with connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for table in (name for (name,) in tables if name.startswith(f"{config.project}_")):
                named = '"' + table.replace('"', '""') + '"'
                for key in keys:
                    removed += bool(connection.execute(f"DELETE FROM {named} WHERE entity_key = ?", (key,)).rowcount)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def _remove_from_sqlite(config: RepoConfig, view: FeatureView, horizon: datetime) -> None:
    path = Path(config.repo_path or ".") / config.online_store.path
    if not path.exists():
        return
    table = f"{config.project}_{view.name}"
    named = '"' + table.replace('"', '""') + '"'
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection, connection:
        exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        if exists:  # Feast's own adapter turns a UTC time without a zone into what it keeps
            before = horizon.astimezone(UTC).replace(tzinfo=None)
            connection.execute(f"DELETE FROM {named} WHERE event_ts < ?", (before,))
