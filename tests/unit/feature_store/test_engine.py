"""After a load the online store equals the newest rows, whatever it held before; later knowledge of others stays."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureStore
from online_samples import OUR_ENGINE_ALONE, OURS, START, feature_store, table, write
from redis_server import redis_server

from recstack.feature_store.engine import NewestRowsEngineConfig
from recstack.feature_store.online_write import entity_keys, write_by_feast
from recstack.feature_store.stale_rows import remove_stale

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime.fromtimestamp(START + 10_000, UTC)
TUESDAY = MONDAY + timedelta(days=1)
STORES = {
    "recstack's Redis store": OURS,
    "Feast's Redis store": OUR_ENGINE_ALONE,
    "Feast's SQLite store": {"online_store": "sqlite", "batch_engine": NewestRowsEngineConfig().type},
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> FeatureStore:
    kind = STORES[request.param]
    opened = feature_store(tmp_path, f"{address},db={list(STORES).index(request.param)}", kind)
    remove_stale(opened.config, opened.get_feature_view("users"), datetime(9999, 1, 1, tzinfo=UTC))
    return opened


def rows(values: dict[int, tuple[int, float]]) -> pa.Table:
    """Rows of users with a `count` and a time in seconds."""
    draw = np.random.default_rng(0)
    made = table(list(values), [second for _, second in values.values()], draw, nulls=0)
    return made.set_column(2, "count", pa.array([count for count, _ in values.values()], pa.int64()))


def read(store: FeatureStore, ids: list[int]) -> dict[int, Any]:
    """`count` and timestamp of each user that has a row."""
    view = store.get_feature_view("users")
    found = store.provider.online_store.online_read(store.config, view, entity_keys(view, ids), ["count"])
    return {
        number: (values["count"].int64_val, timestamp.replace(tzinfo=UTC))
        for number, (timestamp, values) in zip(ids, found, strict=True)
        if timestamp is not None and timestamp.timestamp() > 0 and values is not None  # Feast's Redis says 1970
    }


def load(store: FeatureStore, tables: Path, values: dict[int, tuple[int, float]], horizon: datetime) -> None:
    for file in tables.glob("user/*.parquet"):
        file.unlink()
    write(rows(values), tables / "user")
    store.materialize(EARLIEST, horizon, ["users"])


def test_a_corrected_row_of_the_same_or_an_earlier_time_replaces_the_old_one(
    store: FeatureStore, tmp_path: Path
) -> None:
    load(store, tmp_path, {1: (5, 10), 2: (6, 20), 3: (7, 30)}, MONDAY)
    load(store, tmp_path, {1: (50, 10), 2: (60, 19), 3: (7, 30)}, TUESDAY)
    assert read(store, [1, 2, 3]) == {1: (50, TUESDAY), 2: (60, TUESDAY), 3: (7, TUESDAY)}


def test_rows_of_users_who_are_gone_are_removed_and_those_of_other_views_stay(
    store: FeatureStore, tmp_path: Path
) -> None:
    load(store, tmp_path, {number: (number, number) for number in range(1, 1500)}, MONDAY)
    load(store, tmp_path, {2: (2, 2)}, TUESDAY)
    assert read(store, list(range(1, 900))) | read(store, list(range(900, 1500))) == {2: (2, TUESDAY)}


def test_a_row_that_knows_more_of_the_log_is_neither_replaced_nor_removed(store: FeatureStore, tmp_path: Path) -> None:
    load(store, tmp_path, {1: (5, 10), 2: (6, 20)}, MONDAY)
    view, later = store.get_feature_view("users"), TUESDAY + timedelta(seconds=1)
    batch = rows({1: (99, 40), 3: (77, 40)}).combine_chunks().to_batches()[0]
    write_by_feast(store.provider.online_store, store.config, view, batch, later)
    load(store, tmp_path, {1: (5, 10), 2: (60, 20)}, TUESDAY)
    assert read(store, [1, 2, 3]) == {1: (99, later), 2: (60, TUESDAY), 3: (77, later)}


def test_a_row_dated_after_the_load_is_loaded(store: FeatureStore, tmp_path: Path) -> None:
    load(store, tmp_path, {1: (5, 10_000 + 3600)}, MONDAY)
    assert read(store, [1]) == {1: (5, MONDAY)}


def test_an_earlier_load_that_comes_late_changes_nothing(store: FeatureStore, tmp_path: Path) -> None:
    load(store, tmp_path, {1: (5, 10), 2: (6, 20)}, TUESDAY)
    load(store, tmp_path, {1: (50, 10), 2: (60, 20)}, MONDAY)
    assert read(store, [1, 2]) == {1: (5, TUESDAY), 2: (6, TUESDAY)}


def test_a_missing_sqlite_file_and_table_have_no_stale_rows(tmp_path: Path, address: str) -> None:
    store = feature_store(tmp_path, address, STORES["Feast's SQLite store"])
    view = store.get_feature_view("users")
    database = tmp_path / "online.db"
    database.unlink()
    remove_stale(store.config, view, TUESDAY)
    assert not database.exists()
    sqlite3.connect(database).close()
    remove_stale(store.config, view, TUESDAY)
