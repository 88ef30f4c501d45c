"""Online features of 1 and of 100 users out of Redis: our reader against Feast's own ways; see README.md beside it."""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from online_rows import FEATURES, LOCAL, OURS, SCHEMA, VIEW, feature_store, write_rows
from redis import Redis
from redis_process import address, redis_process
from side_by_side import compare, interleaved

from recstack.feature_store.feast_redis.store import hash_fields, key_frame

READS_A_ROUND = 100
Read = Callable[[Sequence[int]], Any]


def sides(home: Path, redis: str) -> dict[str, Read]:
    """Each way to read the same features."""
    store, stock = feature_store(home, redis, OURS), feature_store(home, redis, LOCAL)
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))
    view, provider = stock.get_feature_view(VIEW), stock.provider
    online = store.provider.online_store
    host, port = redis.split(":")
    client = Redis(host=host, port=int(port))
    before, after = key_frame(store.config, view)
    fields = hash_fields(store.config, view, SCHEMA.names)

    def feast(ids: Sequence[int]) -> dict[str, list[Any]]:
        return stock.get_online_features(FEATURES, [{"user_id": number} for number in ids]).to_dict()

    def provided(ids: Sequence[int]) -> Any:
        keys = [EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=number)]) for number in ids]
        return provider.online_read(stock.config, view, keys, list(SCHEMA.names))

    def raw(ids: Sequence[int]) -> list[list[bytes]]:
        keys = [before + number.to_bytes(8, "little") + after for number in ids]
        if len(keys) == 1:
            return [client.hmget(keys[0], fields)]
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, fields)
            return pipe.execute()

    return {
        "ours": online.reader(store.config, view, SCHEMA).read,
        "get_online_features(...).to_dict()": feast,
        "provider.online_read, no decoding": provided,
        "raw HMGET, no decoding": raw,
    }


def check(reads: dict[str, Read], ids: Sequence[int]) -> None:
    ours = reads["ours"](ids)
    feast = reads["get_online_features(...).to_dict()"](ids)
    if ours.select(SCHEMA.names) != pa.table({name: feast[name] for name in SCHEMA.names}, schema=SCHEMA):
        raise SystemExit("the two ways answer different values")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, redis_process() as client:
        write_rows(Path(folder) / "rows", options.users)
        reads = sides(Path(folder), address(client))
        for count in (1, 100):
            taken: dict[str, list[float]] = {side: [] for side in reads}

            def round_of(side: str, count: int = count, taken: dict[str, list[float]] = taken) -> float:
                some = draw.integers(0, options.users, (READS_A_ROUND, count)).tolist()
                durations = []
                for ids in some:
                    start = time.perf_counter()
                    reads[side](ids)
                    durations.append((time.perf_counter() - start) * 1e6)
                taken[side] += durations
                return float(np.median(durations))

            check(reads, draw.integers(0, options.users, count).tolist())
            for side in reads:
                round_of(side)  # warm
                taken[side].clear()
            works = {side: lambda side=side: round_of(side) for side in reads}
            medians = interleaved(works, options.rounds)
            for side, values in taken.items():
                p50, p99 = np.percentile(values, [50, 99])
                print(f"  {count} users, {side}: p50 {p50:,.0f} µs, p99 {p99:,.0f} µs of {len(values):,} reads")
            for side in reads:
                if side != "ours":
                    compare(
                        "online read",
                        f"{count} user{'s' * (count > 1)} x (320 floats + 10 numbers), p50",
                        medians,
                        ours="ours",
                        against=side,
                        unit="µs",
                        check="the values of ours and of to_dict() are equal to the bit",
                    )


if __name__ == "__main__":
    main()
