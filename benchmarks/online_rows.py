"""Shared by the benchmarks of the online store: made-up feature rows, and feature stores over them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Float32, Int64

WIDTH = 320
"""Floats of the vector."""
INTS = [f"int_{number}" for number in range(5)]
FLOATS = [f"float_{number}" for number in range(5)]
START = 1_700_000_000
ROWS_A_FILE = 100_000
VIEW = "users"
FEATURES = [f"{VIEW}:{name}" for name in ("vector", *INTS, *FLOATS)]
SCHEMA = pa.schema(
    [("vector", pa.list_(pa.float32()))]
    + [(name, pa.int64()) for name in INTS]
    + [(name, pa.float32()) for name in FLOATS]
)
OURS = {
    "offline_store": {"type": "duckdb"},
    "online_store": {"type": "recstack.feature_store.feast_redis.store.ColumnarOnlineStore"},
    "batch_engine": {"type": "recstack.feature_store.engine.NewestRowsEngine"},
}
LOCAL = {
    "offline_store": {"type": "duckdb"},
    "online_store": {"type": "redis"},
    "batch_engine": {"type": "local"},
    "materialization": {"online_write_batch_size": 5000},
}
SPARK_CONF = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "5000",
}
SPARK = {
    "offline_store": {"type": "spark", "spark_conf": SPARK_CONF},
    "online_store": {"type": "redis"},
    "batch_engine": {"type": "spark.engine", **SPARK_CONF},
}


def write_rows(folder: Path, users: int, snapshots: int = 1) -> None:
    """Parquet files of a vector and ten numbers a user, each user's snapshots an hour apart."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for start in range(0, users * snapshots, ROWS_A_FILE):
        numbers = np.arange(start, min(start + ROWS_A_FILE, users * snapshots))
        count = len(numbers)
        times = (START + numbers // users * 3600) * 1_000_000
        vectors = draw.random(count * WIDTH, dtype=np.float32)
        columns = {
            "user_id": numbers % users,
            "event_timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
            "vector": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * WIDTH, vectors),
            **{name: draw.integers(0, 10**6, count) for name in INTS},
            **{name: draw.random(count, dtype=np.float32) for name in FLOATS},
        }
        pq.write_table(pa.table(columns), folder / f"{start:09}.parquet", row_group_size=20_000)


def feature_store(home: Path, redis: str, kind: dict[str, Any]) -> FeatureStore:
    """Feast over `home/rows`, with the classes of one side."""
    online = {**kind["online_store"], "connection_string": redis}
    registry = str(home / f"registry-{online['type']}.db")
    config = {**kind, "online_store": online, "registry": registry, "entity_key_serialization_version": 3}
    store = FeatureStore(config=RepoConfig(project="benchmark", provider="local", **config))
    if kind["offline_store"]["type"] == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        source = SparkSource(name="rows", path=f"{home}/rows", file_format="parquet", timestamp_field="event_timestamp")
    else:
        source = FileSource(name="rows", path=f"{home}/rows/*.parquet", timestamp_field="event_timestamp")
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    fields = [Field(name="vector", dtype=Array(Float32))]
    fields += [Field(name=name, dtype=Int64) for name in INTS] + [Field(name=name, dtype=Float32) for name in FLOATS]
    store.apply([user, FeatureView(name=VIEW, entities=[user], ttl=timedelta(0), schema=fields, source=source)])
    return store
