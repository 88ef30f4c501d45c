"""Encodes Arrow columns as the bytes of Feast's protobuf messages, a whole column at a time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Digits = tuple[Bytes, Mask]
"""[N, W] bytes and [N, W] mask: row i consists of the bytes where its mask is true."""

SECOND = 1_000_000
"""Microseconds."""


class Encoded(NamedTuple):
    """N messages; message i is head[i] followed by body[i], which shares the memory of the Arrow column."""

    head: pa.BinaryArray
    body: pa.BinaryArray | None = None

    @property
    def sizes(self) -> Ints:
        """[N] bytes of each message."""
        sizes: Ints = pc.binary_length(self.head).to_numpy().astype(np.int64)
        return sizes if self.body is None else sizes + pc.binary_length(self.body).to_numpy()


def encode(values: pa.Array, kind: pa.DataType) -> Encoded:
    """Serialize each value as a `feast.types.Value`; null and NaN become no bytes at all, as Feast writes them.

    Args:
        values: N values.
        kind: Arrow type of the feature, one of the six in `_ENCODERS`; the column may have a narrower type.

    Raises:
        pa.ArrowInvalid: a value does not fit the type.
    """
    return _ENCODERS[kind](values.cast(kind))


def encode_timestamps(timestamps: pa.Array) -> Encoded:
    """Serialize each UTC timestamp as a `google.protobuf.Timestamp`, cut to whole microseconds."""
    micros = timestamps.cast(pa.timestamp("us", timestamps.type.tz), safe=False).cast(pa.int64()).to_numpy()
    seconds, nanos = micros // SECOND, micros % SECOND * 1000
    parts = [*_optional(0x08, seconds), *_optional(0x10, nanos)]
    return Encoded(_rows(parts, np.ones(len(micros), dtype=bool)))


def binary(data: npt.NDArray[np.generic], offsets: npt.NDArray[np.generic]) -> pa.BinaryArray:
    """Build an array of N byte strings from one buffer.

    Args:
        data: the buffer.
        offsets: [N + 1] byte positions; string i is data[offsets[i] : offsets[i + 1]].
    """
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _int64(values: pa.Array) -> Encoded:
    return Encoded(_rows([_constant(0x20, len(values)), _varint(_numbers(values, 0))], _present(values)))


def _float32(values: pa.Array) -> Encoded:
    numbers = _numbers(values, np.nan)
    digits = np.ascontiguousarray(numbers).view(np.uint8).reshape(-1, 4)
    return Encoded(
        _rows([_constant(0x35, len(values)), (digits, np.ones(digits.shape, dtype=bool))], ~np.isnan(numbers))
    )


def _blob(tag: int) -> Callable[[pa.Array], Encoded]:
    def blobs(values: pa.Array) -> Encoded:
        body = pc.fill_null(values.cast(pa.binary()), b"")
        parts = [_constant(tag, len(values)), _varint(pc.binary_length(body).to_numpy())]
        return Encoded(_rows(parts, _present(values)), body)

    return blobs


def _float_list(values: pa.Array) -> Encoded:
    numbers = _numbers(values.flatten(), 0.0)  # Feast writes 0 for a null in a list
    return _packed(0x82, values, binary(numbers, _list_offsets(values) * 4))


def _int_list(values: pa.Array) -> Encoded:
    digits, used = _varint(_numbers(values.flatten(), 0))
    ends = np.append(0, np.cumsum(used.sum(axis=1)))
    return _packed(0x72, values, binary(digits[used], ends[_list_offsets(values)]))


def _packed(tag: int, values: pa.Array, body: pa.BinaryArray) -> Encoded:
    """A list value: tag, size of the inner message, and if that is not empty: its tag, its size, the numbers."""
    inner = pc.binary_length(body).to_numpy()
    number, used = _varint(inner)
    filled = inner > 0
    used &= filled[:, None]
    outer = np.where(filled, 1 + used.sum(axis=1) + inner, 0)
    tags = [_constant(tag, len(values))]
    if tag >= 0x80:  # field numbers from 16 take two bytes
        tags.append(_constant(0x01, len(values)))
    parts = [*tags, _varint(outer), _only(filled, _constant(0x0A, len(values))), (number, used)]
    return Encoded(_rows(parts, _present(values)), body)


def _list_offsets(values: pa.Array) -> Ints:
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    return np.append(0, np.cumsum(lengths, dtype=np.int64))


def _numbers(values: pa.Array, missing: float) -> npt.NDArray[np.generic]:
    numbers: npt.NDArray[np.generic] = pc.fill_null(values, missing).to_numpy()
    return numbers


def _present(values: pa.Array) -> Mask:
    present: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return present


def _constant(byte: int, rows: int) -> Digits:
    return np.full((rows, 1), byte, dtype=np.uint8), np.ones((rows, 1), dtype=bool)


def _varint(numbers: npt.NDArray[np.generic]) -> Digits:
    """Protobuf's variable-length integers: seven bits a byte, lowest first; the highest bit says that more follow.

    A negative number takes ten bytes.
    """
    unsigned = numbers.astype(np.int64).view(np.uint64)
    width = max(1, -(-int(unsigned.max(initial=0)).bit_length() // 7))
    groups = unsigned[:, None] >> (np.arange(width, dtype=np.uint64) * np.uint64(7))
    used = groups != 0
    used[:, 0] = True
    digits = (groups & np.uint64(0x7F)).astype(np.uint8)
    digits[:, :-1] |= used[:, 1:].astype(np.uint8) << 7
    return digits, used


def _optional(tag: int, numbers: Ints) -> list[Digits]:
    nonzero = numbers != 0
    return [_only(nonzero, _constant(tag, len(numbers))), _only(nonzero, _varint(numbers))]


def _only(rows: Mask, digits: Digits) -> Digits:
    return digits[0], digits[1] & rows[:, None]


def _rows(parts: Sequence[Digits], present: Mask) -> pa.BinaryArray:
    """Concatenate the parts of each row; a row that is not present becomes an empty string."""
    data = np.hstack([digits for digits, _ in parts])
    used = np.hstack([mask for _, mask in parts]) & present[:, None]
    return binary(data[used], np.append(0, np.cumsum(used.sum(axis=1))))


_ENCODERS: dict[pa.DataType, Callable[[pa.Array], Encoded]] = {
    pa.int64(): _int64,
    pa.float32(): _float32,
    pa.string(): _blob(0x12),
    pa.binary(): _blob(0x0A),
    pa.list_(pa.int64()): _int_list,
    pa.list_(pa.float32()): _float_list,
}
