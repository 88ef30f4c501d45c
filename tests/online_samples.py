"""One view with every type of feature, for Feast's own classes and for recstack's."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Bytes, FeastType, Float32, Int64, String

OURS = {
    "online_store": "recstack.feature_store.feast_redis.store.ColumnarOnlineStore",
    "batch_engine": "recstack.feature_store.engine.NewestRowsEngine",
}
OUR_ENGINE_ALONE = {**OURS, "online_store": "redis"}
STOCK = {"online_store": "redis", "batch_engine": "local"}
FIELDS = {
    "count": (Int64, pa.int64()),
    "mean": (Float32, pa.float32()),
    "word": (String, pa.string()),
    "seen": (Bytes, pa.binary()),
    "recent": (Array(Int64), pa.list_(pa.int64())),
    "genres": (Array(Float32), pa.list_(pa.float32())),
}
SCHEMA = pa.schema([(name, kind) for name, (_, kind) in FIELDS.items()])
START = 1_700_000_000


def table(ids: list[int], seconds: list[float], draw: np.random.Generator, nulls: float = 0.2) -> pa.Table:
    """Rows with values of many sizes, among them zero, empty and negative ones.

    Every integer fits into the 53 bits of a float64, to which Feast's own engine converts a column with nulls.
    """
    rows = []
    for _ in ids:
        row = {
            "count": int(draw.choice([0, 1, 127, 128, -1, -(2**53), 2**53, 40_000])),
            "mean": float(np.float32(draw.choice([0.0, -0.0, 1.5, np.inf, np.nan, draw.normal()]))),
            "word": str(draw.choice(["", "TV", "MOVIE", "ünïcödé ☕", "x" * 300])),
            "seen": draw.bytes(int(draw.choice([0, 3, 127, 128, 20_000]))),
            "recent": draw.integers(-3, 2**40, draw.integers(0, 60)).tolist(),
            "genres": draw.random(int(draw.choice([0, 1, 3, 31, 32, 320])), dtype=np.float32),
        }
        rows.append({name: value if draw.random() >= nulls else None for name, value in row.items()})
    columns = {name: pa.array([row[name] for row in rows], kind) for name, (_, kind) in FIELDS.items()}
    times = pa.array([round((START + second) * 1e6) for second in seconds], pa.timestamp("us", tz="UTC"))
    return pa.table({"user_id": pa.array(ids, pa.int64()), "event_timestamp": times, **columns})


def write(rows: pa.Table, folder: Path, name: str = "part") -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(rows, folder / f"{name}.parquet", row_group_size=500)


def feature_store(
    home: Path,
    address: str,
    kind: dict[str, str],
    *,
    created: str = "",
    online: dict[str, Any] | None = None,
    fields: dict[str, FeastType] | None = None,
) -> FeatureStore:
    """Feast over the Parquet files of `home/user`, with its own classes or with recstack's."""
    sqlite = kind["online_store"] == "sqlite"
    where = {"path": str(home / "online.db")} if sqlite else {"connection_string": address}
    config = RepoConfig(
        project="shop",
        provider="local",
        registry={"registry_type": "file", "path": str(home / "registry.db"), "cache_ttl_seconds": 1},
        offline_store={"type": "duckdb"},
        online_store={"type": kind["online_store"], **where, **(online or {})},
        batch_engine={"type": kind["batch_engine"]},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    source = FileSource(
        name="users",
        path=f"{home}/user/*.parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column=created,
    )
    types = fields or {name: dtype for name, (dtype, _) in FIELDS.items()}
    schema = [Field(name=name, dtype=dtype) for name, dtype in types.items()]
    store.apply([user, FeatureView(name="users", entities=[user], ttl=timedelta(0), schema=schema, source=source)])
    return store


def content(client: redis.Redis) -> dict[bytes, dict[bytes, bytes]]:
    """All keys and hashes of Redis."""
    return {key: client.hgetall(key) for key in client.scan_iter(count=1000)}
