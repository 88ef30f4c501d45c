"""Writes many rows to Redis: builds the bytes of Redis's protocol from whole columns."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from recstack.feature_store.feast_redis.encoding import Encoded

ROWS_A_CALL: Final = 64
"""Rows that one transaction or one call of the script writes. It blocks other clients of Redis for about 0.6 ms."""
_SAMPLED: Final = 32
"""`create` looks up one key in so many before it takes all rows for new ones."""

READ_TIMESTAMP: Final = """
local function timestamp(bytes)
  local seconds, nanos, at = 0, 0, 1
  while at <= #bytes do
    local tag, number, scale, byte = bytes:byte(at), 0, 1, 128
    while byte >= 128 do
      at = at + 1
      byte = bytes:byte(at)
      number, scale = number + byte % 128 * scale, scale * 128
    end
    if tag == 8 then seconds = number else nanos = number end
    at = at + 1
  end
  if seconds >= 2 ^ 63 then return 0, 0 end  -- before 1970; Feast counts that as no timestamp
  return seconds, nanos
end
"""
"""Lua: seconds and nanoseconds of a serialized `google.protobuf.Timestamp`."""

WRITE: Final = (
    READ_TIMESTAMP
    + """
-- KEYS: rows. ARGV: seconds to live or 0, number of fields, their names, then the values of each row.
-- The first field is the timestamp. A stored row with the same or a later timestamp stays.
local live, width, written = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
local row, values = {}, 2 + width
for field = 1, width do row[2 * field - 1] = ARGV[2 + field] end
for _, key in ipairs(KEYS) do
  local stored = redis.call('HGET', key, row[1])
  local newer = true
  if stored then
    local seconds, nanos = timestamp(stored)
    local new_seconds, new_nanos = timestamp(ARGV[values + 1])
    local known = seconds > 0 or nanos > 0
    newer = not known or new_seconds > seconds or (new_seconds == seconds and new_nanos > nanos)
  end
  if newer then
    for field = 1, width do row[2 * field] = ARGV[values + field] end
    redis.call('HSET', key, unpack(row))
    if live > 0 then redis.call('EXPIRE', key, live) end
    written = written + 1
  end
  values = values + width
end
return written
"""
)


def create(connection: Any, fields: Sequence[bytes], live: int, keys: Encoded, columns: Sequence[Encoded]) -> bool:
    """Write N rows that Redis most likely lacks, by plain commands: they cost Redis two thirds of what `replace` does.

    It first looks up a sample of the keys, and writes nothing if Redis has one of them. Each row is written under a
    draft name and then renamed; Redis refuses to rename onto a key that exists. Redis carries out a transaction whole
    or not at all, so an interrupted call leaves no draft behind. Measured by benchmarks/materialization.py.

    Args:
        connection: a connection of redis-py.
        fields: F names.
        live: seconds to live, or 0.
        keys: N keys.
        columns: F columns of N values.

    Returns:
        Whether all rows were written. If not, call `replace` with the same rows.

    Raises:
        redis.RedisError: Redis refused; earlier rows may have been written.
    """
    sample = bulk_rows([Encoded(keys.head.take(pa.array(range(0, len(keys.head), _SAMPLED))))])
    if _call(connection, [b"*%d\r\n" % (1 + len(sample)) + bulk(b"EXISTS"), _memory(sample)], 1) != [0]:
        return False
    draft = b"draft:" + uuid4().hex.encode()
    begin = b"*%d\r\n" % (2 + 2 * len(fields)) + bulk(b"HSET") + bulk(draft)
    named = [part for field, column in zip(fields, columns, strict=True) for part in (bulk(field), column)]
    end = command(b"EXPIRE", draft, b"%d" % live) if live else b""
    rows = bulk_rows([begin, *named, end + b"*3\r\n" + bulk(b"RENAMENX") + bulk(draft), keys])
    calls, answers = [], 0
    for some in _chunks(rows):
        calls.append(b"".join([command(b"MULTI"), _memory(some), command(b"DEL", draft), command(b"EXEC")]))
        answers += (3 if live else 2) * len(some) + 3
    done = [answer for answer in _call(connection, calls, answers) if isinstance(answer, list)]
    for error in (each for answer in done for each in answer if isinstance(each, Exception)):
        raise error
    return not any(0 in answer[:-1] for answer in done)


def replace(connection: Any, fields: Sequence[bytes], live: int, keys: Encoded, columns: Sequence[Encoded]) -> None:
    """Write N rows, except those of which Redis has a version with the same or a later timestamp, by the script.

    Args:
        connection: a connection of redis-py.
        fields: F names, the timestamp's first.
        live: seconds to live, or 0.
        keys: N keys.
        columns: F columns of N values.

    Raises:
        redis.RedisError: Redis refused; earlier rows may have been written.
    """
    sha = _call(connection, [command(b"SCRIPT", b"LOAD", WRITE.encode())], 1)[0]
    shared = b"".join(map(bulk, [b"%d" % live, b"%d" % len(fields), *fields]))
    calls = []
    for some, rows in zip(_chunks(bulk_rows([keys])), _chunks(bulk_rows(columns)), strict=True):
        arguments = 3 + len(some) + 2 + len(fields) + len(some) * len(fields)
        head = b"*%d\r\n" % arguments + bulk(b"EVALSHA") + bulk(sha) + bulk(b"%d" % len(some))
        calls.append(b"".join([head, _memory(some), shared, _memory(rows)]))
    _call(connection, calls, len(calls))


def bulk(text: bytes) -> bytes:
    """One argument of a command, as bytes of the protocol."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def command(*arguments: bytes) -> bytes:
    """One command, as bytes of the protocol."""
    return b"*%d\r\n" % len(arguments) + b"".join(map(bulk, arguments))


def bulk_rows(parts: Sequence[Encoded | bytes]) -> pa.BinaryArray:
    """Join columns into N rows of command arguments; a part that is bytes is repeated in every row."""
    pieces: list[Any] = []
    constant = b""
    for part in parts:
        if isinstance(part, bytes):
            constant += part
        else:
            sizes = pa.array(part.sizes).cast(pa.string()).cast(pa.binary())
            pieces += [constant + b"$", sizes, b"\r\n", part.head, *([] if part.body is None else [part.body])]
            constant = b"\r\n"
    return pc.binary_join_element_wise(*pieces, constant, b"")


def _chunks(rows: pa.BinaryArray) -> list[pa.BinaryArray]:
    return [rows[start : start + ROWS_A_CALL] for start in range(0, len(rows), ROWS_A_CALL)]


def _call(connection: Any, calls: Sequence[bytes | memoryview], answers: int) -> list[Any]:
    connection.send_packed_command(calls)
    return [connection.read_response() for _ in range(answers)]


def _memory(strings: pa.BinaryArray) -> memoryview:
    """The bytes of all strings of an array, without a copy."""
    _, offsets, data = strings.buffers()
    starts = memoryview(offsets).cast("i")
    return memoryview(data)[starts[strings.offset] : starts[strings.offset + len(strings)]]
