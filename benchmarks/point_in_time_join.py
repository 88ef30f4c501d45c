"""The point-in-time join of training rows with their features: our store against Feast's; see README.md beside it."""

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Array, FeastType, Float32, Int64
from side_by_side import compare, interleaved

SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "6g",
    "spark.driver.maxResultSize": "0",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
}
STORES: dict[str, dict[str, object]] = {
    "ours": {"type": "recstack.feature_store.feast_duckdb.AsofOfflineStore"},
    "Feast's DuckDB store": {"type": "duckdb"},
    "Feast's Spark store": {"type": "spark", "spark_conf": SPARK},
}
SPAN = 10**8
"""Seconds from the first timestamp to the last."""


def write_features(folder: Path, draw: np.random.Generator, options: argparse.Namespace) -> None:
    """Rows of random users and timestamps; no two rows share both."""
    folder.mkdir()
    seconds = draw.permutation(SPAN)[: options.feature_rows]
    for start in range(0, options.feature_rows, 50_000):
        part = seconds[start : start + 50_000]
        count = len(part)
        columns = {
            "user_id": draw.integers(0, options.users, count),
            "event_timestamp": pa.array(part * 1_000_000, pa.timestamp("us", tz="UTC")),
            **{f"number_{i}": draw.integers(0, 10**9, count) for i in range(options.scalars)},
        }
        if options.width:
            values = draw.random(count * options.width, dtype=np.float32)
            columns["genres"] = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * options.width, values)
        pq.write_table(pa.table(columns), folder / f"{start:09}.parquet", row_group_size=10_000)


def training_rows(draw: np.random.Generator, rows: int, users: int) -> pd.DataFrame:
    times = pd.to_datetime(draw.integers(0, SPAN, rows), unit="s", utc=True)
    return pd.DataFrame({"user_id": draw.integers(0, users, rows), "event_timestamp": times, "row": np.arange(rows)})


def fields(options: argparse.Namespace) -> dict[str, FeastType]:
    vector: dict[str, FeastType] = {"genres": Array(Float32)} if options.width else {}
    return {**{f"number_{i}": Int64 for i in range(options.scalars)}, **vector}


def feature_store(side: str, home: Path, options: argparse.Namespace) -> FeatureStore:
    """Feast with that offline store."""
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(home / f"{side}.db"),
        offline_store=STORES[side],
        online_store={"type": "sqlite", "path": str(home / "online.db")},
        entity_key_serialization_version=3,
    )
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    source: DataSource = FileSource(name="rows", path=f"{home}/features/*.parquet", timestamp_field="event_timestamp")
    if "Spark" in side:
        path = str(home / "features")
        source = SparkSource(name="rows", path=path, file_format="parquet", timestamp_field="event_timestamp")
    schema = [Field(name=name, dtype=kind) for name, kind in fields(options).items()]
    store = FeatureStore(config=config)
    store.apply([user, FeatureView(name="users", entities=[user], ttl=timedelta(0), schema=schema, source=source)])
    return store


def join(store: FeatureStore, rows: pd.DataFrame, names: Sequence[str]) -> pa.Table:
    return store.get_historical_features(rows.copy(), [f"users:{name}" for name in names]).to_arrow()


def timed(store: FeatureStore, rows: pd.DataFrame, names: Sequence[str]) -> float:
    start = time.perf_counter()
    join(store, rows, names)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40_000, help="training rows")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--feature-rows", type=int, help="default: as many as training rows")
    parser.add_argument("--width", type=int, default=320, help="floats of the vector; 0: no vector")
    parser.add_argument("--scalars", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[], choices=["duckdb", "spark"], help="stores to leave out")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # of Feast and ibis about their own calls
    options.feature_rows = options.feature_rows or options.rows
    draw, names = np.random.default_rng(0), list(fields(options))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_features(home / "features", draw, options)
        rows = training_rows(draw, options.rows, options.users)
        stores = {
            side: feature_store(side, home, options)
            for side, how in STORES.items()
            if how["type"] not in options.without
        }
        expected = join(stores["ours"], rows, names).select(["row", *names])
        for side, store in stores.items():
            found = join(store, rows, names).select(["row", *names]).sort_by("row").cast(expected.schema)
            if not found.equals(expected):
                raise SystemExit(f"{side} answers other rows")
        size = (
            f"{options.rows:,} training rows, {options.feature_rows:,} feature rows of {options.users:,} users, "
            f"{options.scalars} scalars{f' and a vector of {options.width}' if options.width else ''}"
        )
        del expected, found
        works = {side: lambda store=store: timed(store, rows, names) for side, store in stores.items()}
        measured = interleaved(works, options.rounds)
    for side in list(stores)[1:]:
        check = "all rows equal, bit for bit"
        compare("point-in-time join", size, measured, ours="ours", against=side, unit="s", check=check)
    if len(stores) == 1:
        print(f"point-in-time join, {size}: ours {min(measured['ours']):.2f} .. {max(measured['ours']):.2f} s")
    print(f"most memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
