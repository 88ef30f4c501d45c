"""Refuses a load that does not fit into Redis's memory, before a row is written: measures a sample in Redis itself."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.type_map import python_values_to_proto_values

from recstack.errors import UserError
from recstack.feature_store.feast_redis.encoding import encode_timestamps
from recstack.feature_store.feast_redis.store import hash_fields, key_frame
from recstack.feature_store.newest import Newest
from recstack.feature_store.online_write import key_column

SAMPLE: Final = 400
"""Rows that are measured; sizes of histories differ much."""
_INDEX_BYTES: Final = 16
"""Of a key in Redis's index of all keys, which `MEMORY USAGE` leaves out."""
_MEGABYTE: Final = 1e6


def require_memory(config: RepoConfig, view: FeatureView, rows: Newest, horizon: datetime) -> None:
    """Check that Redis has room for what these rows take beyond the rows that they replace.

    Reads the files once more, where Redis has a limit at all.

    Raises:
        UserError: it has not; the message says how much is missing, and which setting to raise.
        redis.RedisError: Redis refused, or cannot be reached.
    """
    client: Any = RedisOnlineStore()._get_client(config.online_store)
    memory = client.info("memory")
    limit = memory["maxmemory"]
    if not limit or not rows.rows:
        return
    free = max(0, limit - memory["used_memory"] + memory.get("mem_not_counted_for_evict", 0))
    needed = added_bytes(client, config, view, rows, horizon) if free else 0
    if needed >= free:
        more = f"some {needed / _MEGABYTE:,.0f} MB" if free else "more memory"
        raise UserError(
            f"{rows.rows:,} rows of {view.name} need {more} in Redis, which has {free / _MEGABYTE:,.0f} MB left of "
            f"{limit / _MEGABYTE:,.0f} MB; nothing of them was written: raise REDIS_MEMORY in .env and run "
            "`make deploy`, or `maxmemory` of your own Redis"
        )


def added_bytes(client: Any, config: RepoConfig, view: FeatureView, rows: Newest, horizon: datetime) -> int:
    """Estimate of the memory that Redis will use more than now, after these rows are written; may be negative.

    A sample of the rows is written to copies of what Redis has of them, in transactions that remove each copy at once.

    Raises:
        redis.RedisError: Redis refused, or cannot be reached.
    """
    fields = hash_fields(config, view, [field.name for field in view.features])
    draft = b"draft:" + uuid4().hex.encode()
    total, measured = 0, 0
    for key, values in _sampled(config, view, rows, horizon):
        transaction = client.pipeline(transaction=True)
        transaction.exists(key)
        transaction.copy(key, draft, replace=True)
        transaction.memory_usage(draft, samples=0)
        transaction.hset(draft, mapping=dict(zip(fields, values, strict=True)))
        transaction.memory_usage(draft, samples=0)
        transaction.delete(draft)
        existed, _, before, _, after, _ = transaction.execute()
        total += after - (before or 0) + (0 if existed else _INDEX_BYTES)
        measured += 1
    return round(total / max(1, measured) * rows.rows)


def _sampled(
    config: RepoConfig, view: FeatureView, rows: Newest, horizon: datetime
) -> Iterator[tuple[bytes, list[bytes]]]:
    """Key, and values of the features and the timestamp, of at most 2 * `SAMPLE` rows from all files."""
    before, after = key_frame(config, view)
    timestamp = encode_timestamps(pa.array([horizon], pa.timestamp("us", tz="UTC"))).head[0].as_py()
    key, every = key_column(view), max(1, rows.rows // SAMPLE)
    for batch in rows.thinned(every):
        columns = [
            python_values_to_proto_values(batch[field.name].to_pylist(), field.dtype.to_value_type())
            for field in view.features
        ]
        for number, *values in zip(batch[key].to_pylist(), *columns, strict=True):
            if number is None:
                continue  # the writer refuses it
            name = before + number.to_bytes(8, "little", signed=True) + after
            yield name, [*(value.SerializeToString() for value in values), timestamp]
