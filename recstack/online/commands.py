"""Redis commands for many rows as the bytes that go over the wire."""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from recstack.online.encoding import Encoded

ROWS_A_CALL: Final = 64
"""Rows that one call of the script writes. Redis serves nobody else meanwhile: some 0.6 ms."""

WRITE: Final = """
-- KEYS: rows. ARGV: seconds to live or 0, number of fields, their names, then the values of each row.
-- The first field is the moment; a row that is there already with the same moment or a later one stays.
local function moment(bytes)
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
  if seconds >= 2 ^ 63 then return 0, 0 end  -- before 1970, which Feast takes for no moment at all
  return seconds, nanos
end

local live, width, written = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
local row, values = {}, 2 + width
for field = 1, width do row[2 * field - 1] = ARGV[2 + field] end
for _, key in ipairs(KEYS) do
  local stored = redis.call('HGET', key, row[1])
  local newer = true
  if stored then
    local seconds, nanos = moment(stored)
    local new_seconds, new_nanos = moment(ARGV[values + 1])
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


def bulk(text: bytes) -> bytes:
    """One argument of a command."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def bulk_rows(columns: Sequence[Encoded]) -> pa.BinaryArray:
    """N rows of arguments, one a column."""
    pieces = []
    for column in columns:
        sizes = pa.array(column.sizes).cast(pa.string()).cast(pa.binary())
        pieces += [pa.scalar(b"$"), sizes, pa.scalar(b"\r\n"), *(part for part in column if part is not None)]
        pieces.append(pa.scalar(b"\r\n"))
    return pc.binary_join_element_wise(*pieces, pa.scalar(b""))


def script_calls(sha: bytes, fixed: Sequence[bytes], keys: pa.BinaryArray, rows: pa.BinaryArray) -> Iterator[bytes]:
    """Calls of `WRITE` for N rows, `ROWS_A_CALL` each.

    Args:
        sha: digest of the script.
        fixed: seconds to live, number of fields, their names.
        keys: N keys, each an argument.
        rows: N rows of arguments.
    """
    shared = b"".join(map(bulk, fixed))
    width = len(fixed) - 2
    for start in range(0, len(keys), ROWS_A_CALL):
        some = keys[start : start + ROWS_A_CALL]
        arguments = 3 + len(some) + len(fixed) + len(some) * width
        head = b"*%d\r\n" % arguments + bulk(b"EVALSHA") + bulk(sha) + bulk(b"%d" % len(some))
        yield b"".join([head, _memory(some), shared, _memory(rows[start : start + ROWS_A_CALL])])


def _memory(strings: pa.BinaryArray) -> memoryview:
    """All bytes of an array, one string after the other."""
    _, offsets, data = strings.buffers()
    places = memoryview(offsets).cast("i")
    return memoryview(data)[places[strings.offset] : places[strings.offset + len(strings)]]
