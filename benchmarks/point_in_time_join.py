"""The point-in-time join of training rows with their features: our store against Feast's; see README.md beside it."""

import argparse
import resource
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Float32, Int64

STORES = {"ours": "recstack.point_in_time.AsofOfflineStore", "stock": "duckdb"}
SPAN = 10**8
"""Seconds from the first moment to the last."""
FEATURES = ["users:genres", "users:number"]


def write_features(folder: Path, draw: np.random.Generator, rows: int, users: int, width: int) -> None:
    """As many feature rows as training rows, as in recstack; no two share user and moment."""
    folder.mkdir()
    moments = draw.permutation(SPAN)[:rows]
    for start in range(0, rows, 50_000):
        stamps = moments[start : start + 50_000]
        count = len(stamps)
        values = draw.random(count * width, dtype=np.float32)
        table = pa.table(
            {
                "user_id": draw.integers(0, users, count),
                "event_timestamp": pa.array(stamps * 1_000_000, pa.timestamp("us", tz="UTC")),
                "genres": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * width, values),
                "number": np.arange(start, start + count),
            }
        )
        pq.write_table(table, folder / f"{start:09}.parquet", row_group_size=10_000)


def training_rows(draw: np.random.Generator, rows: int, users: int) -> pd.DataFrame:
    stamps = pd.to_datetime(draw.integers(0, SPAN, rows), unit="s", utc=True)
    return pd.DataFrame({"user_id": draw.integers(0, users, rows), "event_timestamp": stamps, "row": np.arange(rows)})


def feature_store(offline: str, home: Path) -> FeatureStore:
    """Feast with that offline store."""
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(home / f"{offline}.db"),
        offline_store={"type": offline},
        online_store={"type": "sqlite", "path": str(home / "online.db")},
        entity_key_serialization_version=3,
    )
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    source = FileSource(name="rows", path=f"{home}/features/*.parquet", timestamp_field="event_timestamp")
    fields = [Field(name="genres", dtype=Array(Float32)), Field(name="number", dtype=Int64)]
    store = FeatureStore(config=config)
    store.apply([user, FeatureView(name="users", entities=[user], ttl=timedelta(0), schema=fields, source=source)])
    return store


def join(store: FeatureStore, rows: pd.DataFrame) -> pa.Table:
    return store.get_historical_features(rows.copy(), FEATURES).to_arrow()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40_000, help="training rows, and feature rows")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--width", type=int, default=320, help="floats of the vector")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ours-alone", action="store_true", help="where the stock store would run out of memory")
    asked = parser.parse_args()
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_features(home / "features", draw, asked.rows, asked.users, asked.width)
        rows = training_rows(draw, asked.rows, asked.users)
        sides = ["ours"] if asked.ours_alone else list(STORES)
        stores = {side: feature_store(STORES[side], home) for side in sides}
        joined = {side: join(store, rows) for side, store in stores.items()}
        if "stock" in joined and not joined["stock"].sort_by("row").equals(joined["ours"]):
            raise SystemExit("the two stores answer different rows")
        size = joined["ours"].nbytes / 1e6
        del joined
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(asked.rounds):
            for side, store in stores.items():
                start = time.perf_counter()
                join(store, rows)
                seconds[side].append(time.perf_counter() - start)
    print(
        f"{asked.rows:,} training rows and as many feature rows of {asked.users:,} users, vectors of {asked.width}, "
        f"{size:,.0f} MB joined; median of {asked.rounds} interleaved rounds"
    )
    for side, values in seconds.items():
        print(f"  {side:6} {statistics.median(values):7.2f} s ({min(values):.2f} .. {max(values):.2f})")
    if not asked.ours_alone:
        ratios = [stock / ours for stock, ours in zip(seconds["stock"], seconds["ours"], strict=True)]
        print(f"  ours is {statistics.median(ratios):.0f} x faster ({min(ratios):.0f} .. {max(ratios):.0f})")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
