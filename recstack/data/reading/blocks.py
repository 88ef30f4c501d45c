"""Cuts text into blocks that end where a record ends, also if cells hold line breaks."""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from recstack.data.reading.dialect import Dialect
from recstack.data.reading.lenient import MOST, Record, parse
from recstack.data.reading.rows import Ints

CHUNK: Final = 4 << 20
"""About so many bytes are in a block."""

_NEWLINE: Final = ord("\n")


@dataclass(frozen=True)
class Block:
    """Whole records."""

    data: bytes
    line: int
    """Number of its first line, from 1."""
    quoted: bool = False
    """Whether cells may be in quotes, all of which keep the rules; False if there are no quotes."""
    records: list[Record] | None = None
    """The cells, where quotes keep no rule or the separator is no single character."""
    starts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of a block with quotes: how many line breaks of the block stand before each record."""

    @property
    def until(self) -> int:
        """Number of the line after the last one."""
        return self.line + self.data.count(b"\n") + (not self.data.endswith(b"\n"))


def blocks(texts: Iterable[bytes], dialect: Dialect, line: int) -> Iterator[Block]:
    """Blocks of a text in their order.

    Args:
        texts: UTF-8, a chunk at a time, from the first record on.
        dialect: how cells are divided.
        line: number of the first line.
    """
    left = b""
    for text in texts:
        data = left + text
        cut = yield from _cut(data, dialect, line, final=False)
        line += data.count(b"\n", 0, cut)
        left = data[cut:]
    if left:
        yield from _cut(left, dialect, line, final=True)


def _cut(data: bytes, dialect: Dialect, line: int, *, final: bool) -> Generator[Block, None, int]:
    """Yield the blocks at the beginning of the data, and return how many bytes they take."""
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    if dialect.is_plain or not ((quote and quote in data) or (escape and escape in data)):
        end = len(data) if final else data.rfind(b"\n") + 1
        if end:
            yield Block(data[:end], line)
        return end
    start = 0
    if dialect.fits_arrow and quote and not (escape and escape + b"N" in data):  # MySQL's \\N is no escaped letter
        found = _well_formed(data, dialect, final=final)
        start = found.end
        if start:
            yield Block(data[:start], line, quoted=True, starts=found.starts)
            line += data.count(b"\n", 0, start)
        if found.regular and (final or len(data) - start < MOST):
            return start
    text = data[start:].decode("utf-8")
    records, taken = parse(text, dialect, final=final)
    if not taken:
        return start
    size = len(text[:taken].encode())
    yield Block(data[start : start + size], line, records=records)
    return start + size


@dataclass(frozen=True)
class _Found:
    end: int
    """Up to here all quotes keep RFC 4180, and a record ends."""
    regular: bool
    """Whether no quote after that breaks the rules; the last record may be incomplete."""
    starts: Ints


def _well_formed(data: bytes, dialect: Dialect, *, final: bool) -> _Found:
    """Where the records end, if each quote opens a cell, closes one, or is doubled.

    In such a text the quotes open and close in turns (a doubled one closes and opens), so a line break ends a record
    where the number of quotes before it is even.
    """
    masked = _masked(data, dialect)
    bytes_ = np.frombuffer(masked, np.uint8)
    quotes = np.flatnonzero(bytes_ == ord(dialect.quote))
    breaks = np.flatnonzero(bytes_ == _NEWLINE)
    wrong = _wrong_quotes(bytes_, quotes, dialect)
    first_wrong = int(quotes[wrong[0]]) if len(wrong) else len(data)
    before = np.searchsorted(quotes, breaks)
    ends = breaks[(before % 2 == 0) & (breaks < first_wrong)]
    if not len(wrong) and final and len(quotes) % 2 == 0:
        end = len(data)
    else:
        end = int(ends[-1]) + 1 if len(ends) else 0
    regular = not len(wrong) and not (final and len(quotes) % 2)
    starts = np.concatenate([[0], ends + 1])
    starts = starts[starts < end]
    blank = _blank(bytes_, starts, np.append(starts[1:], end))
    if masked is not data:
        breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    return _Found(end, regular, np.searchsorted(breaks, starts[~blank]).astype(np.int64))


def _wrong_quotes(
    bytes_: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], dialect: Dialect
) -> npt.NDArray[np.intp]:
    """Indices of quotes that neither open nor close a cell, nor are doubled."""
    separator = ord(dialect.separator)
    edges = np.array([separator, _NEWLINE], np.uint8)
    adjacent = np.diff(quotes) == 1
    previous = np.where(quotes > 0, bytes_[np.maximum(quotes - 1, 0)], _NEWLINE)
    following = np.where(quotes + 1 < len(bytes_), bytes_[np.minimum(quotes + 1, len(bytes_) - 1)], _NEWLINE)
    opening = np.isin(previous, edges)
    opening[1:] |= adjacent
    closing = np.isin(following, np.append(edges, np.uint8(ord("\r"))))
    closing[:-1] |= adjacent
    fine = np.where(np.arange(len(quotes)) % 2 == 0, opening, closing)
    return np.flatnonzero(~fine)


def _blank(bytes_: npt.NDArray[np.uint8], starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
    """Whether a record from a start to an end holds nothing but a line break."""
    length = ends - starts
    alone = (length == 1) & (bytes_[starts] == _NEWLINE) if len(starts) else length == 1
    pair = (length == 2) & (bytes_[starts] == ord("\r")) if len(starts) else length == 2
    return np.asarray(alone | pair)


def _masked(data: bytes, dialect: Dialect) -> bytes:
    """The data with other bytes in place of escaped characters."""
    if not dialect.escape or dialect.escape.encode() not in data:
        return data
    return re.sub(re.escape(dialect.escape.encode()) + rb"[\x00-\x7f]", b"xx", data)
