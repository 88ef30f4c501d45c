"""Reads rows of Feast's Redis store into an Arrow table, without a protobuf message for every number."""

import struct
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from recstack import columns as c
from recstack.feature_store.feast_redis.commands import bulk
from recstack.feature_store.values import plain

_FLOAT = struct.Struct("<xf")


class OwnConnection(threading.local):
    """One connection a thread: taking one from redis-py's pool costs a fifth of a read (benchmarks/online_read.py)."""

    def __init__(self, client: Redis) -> None:
        """Prepare a connection to the server of this client; the first command connects."""
        self.connection: Any = client.connection_pool.make_connection()


class Reader:
    """Reads the same features of any entities: the commands are built once, and each read fills in the keys."""

    def __init__(
        self, own: OwnConnection, key: str, key_frame: tuple[bytes, bytes], fields: Sequence[bytes], schema: pa.Schema
    ):
        """Prepare.

        Args:
            own: the connection of each thread.
            key: name of the entity's key.
            key_frame: bytes of a Redis key before and after the eight bytes of the id.
            fields: names in the Redis hash: of the features, and of the timestamp at the end.
            schema: names and types of the features.
        """
        self._own = own
        before, after = key_frame
        size = len(before) + 8 + len(after)
        self._before = b"*%d\r\n" % (2 + len(fields)) + bulk(b"HMGET") + b"$%d\r\n" % size + before
        self._after = after + b"\r\n" + b"".join(map(bulk, fields))
        self._decoders = [_DECODERS.get(field.type, _any) for field in schema]
        self._row = pa.struct([(key, pa.int64()), (c.EVENT_TIMESTAMP, pa.timestamp("us", tz="UTC")), *schema])

    def read(self, ids: Sequence[int]) -> pa.Table:
        """One row an id, in order: the key, event_timestamp and the features; nulls where Redis has no value.

        Raises:
            redis.RedisError: Redis cannot be reached, or took longer than the connection allows.
        """
        decoders = self._decoders
        rows = []
        for number, (*values, timestamp) in zip(ids, self._fetch(ids), strict=True):
            row = [decode(value) if value else None for decode, value in zip(decoders, values, strict=True)]
            rows.append((int(number), microseconds(timestamp) if timestamp is not None else None, *row))
        return pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array(rows, self._row))])

    def _fetch(self, ids: Sequence[int]) -> list[list[bytes | None]]:
        before, after = self._before, self._after
        commands = [before + int(number).to_bytes(8, "little", signed=True) + after for number in ids]
        try:
            return self._call(commands)
        except RedisConnectionError:  # the server may have restarted since the last read; if it is down, this fails too
            return self._call(commands)

    def _call(self, commands: list[bytes]) -> list[list[bytes | None]]:
        connection = self._own.connection
        try:
            connection.send_packed_command(commands if len(commands) == 1 else [b"".join(commands)])
            end = monotonic() + (connection.socket_timeout or float("inf"))
            return [self._answer(connection, end) for _ in commands]
        except BaseException:
            connection.disconnect()  # drop answers that were not read; the next command connects again
            raise

    @staticmethod
    def _answer(connection: Any, end: float) -> list[bytes | None]:
        """The next answer. `socket_timeout` limits the wait for each; `end` limits the wait for all of them."""
        if monotonic() > end:
            raise RedisTimeoutError(f"Redis took longer than {connection.socket_timeout} s for the whole batch")
        found: list[bytes | None] = connection.read_response()
        return found


def microseconds(raw: bytes) -> int:
    """Microseconds since 1970 of a serialized Timestamp."""
    timestamp = Timestamp.FromString(raw)
    return int(timestamp.seconds * 1_000_000 + timestamp.nanos // 1000)


def _any(raw: bytes) -> Any:
    return plain(Value.FromString(raw))


def _int(raw: bytes) -> Any:
    return Value.FromString(raw).int64_val if raw[0] == 0x20 else _any(raw)


def _float(raw: bytes) -> Any:
    return _FLOAT.unpack(raw)[0] if len(raw) == _FLOAT.size and raw[0] == 0x35 else _any(raw)


def _floats(raw: bytes) -> Any:
    head = _float_list_head(len(raw))
    return np.frombuffer(raw, "<f4", offset=len(head)) if head and raw.startswith(head) else _any(raw)


@lru_cache(maxsize=4096)
def _float_list_head(size: int) -> bytes:
    """The bytes before the numbers in a serialized list of floats of this size; empty if no list has this size."""
    for count in range((size - 4) // 4, max(0, (size - 16) // 4), -1):
        message = Value(float_list_val=FloatList(val=[0.0] * count)).SerializeToString()
        if len(message) == size:
            return bytes(message[: size - 4 * count])
    return b""


_DECODERS: dict[pa.DataType, Callable[[bytes], Any]] = {
    pa.int64(): _int,
    pa.float32(): _float,
    pa.list_(pa.float32()): _floats,
}
