"""A folder with excerpts of large files, so that a check of them takes seconds; small files are read as they are."""

import re
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from recstack.data.adapters.mapping import Mapping
from recstack.data.inspection import sampling
from recstack.data.reading import streams

SMALL: Final = 32 << 20
"""Bytes of text up to which a file is read whole; of compressed text a quarter of it, as it is several times longer."""
_HEAD: Final = 8 << 20
_PIECES: Final = 16
_PIECE: Final = 1 << 19
_ROWS: Final = 1_000_000
_LINE: Final = re.compile(r"(, line )([\d,]+)(?=:)")


@dataclass
class Excerpt:
    """Where excerpts lie, and what they leave out."""

    folder: Path
    source: Path
    partial: set[str] = field(default_factory=set)
    """Names of the files of which not all was taken."""
    pieces: int = 1
    """Most pieces that a file gave."""
    _starts: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    """By file: line of the excerpt at which each piece begins, and about which line of the file it is."""

    def told(self, text: str) -> str:
        """A message about the excerpt as one about the files: their paths, and about which line of them it is."""
        text = text.replace(str(self.folder), str(self.source))
        for name in self._starts:
            if text.startswith(name):
                return _LINE.sub(partial(_line, *self._starts[name]), text)
        return text

    def add_text(self, path: Path, pieces: list[tuple[int, bytes]]) -> None:
        """Write pieces of a text file, with their offsets in it."""
        head = pieces[0][1]
        per_byte = head.count(b"\n") / len(head)
        starts, lines, line = [], [], 1
        with (self.folder / path.name).open("wb") as out:
            for offset, piece in pieces:
                starts.append(line)
                lines.append(1 + round(offset * per_byte))
                out.write(piece)
                line += piece.count(b"\n")
        self.partial.add(path.name)
        self.pieces = max(self.pieces, len(pieces))
        self._starts[path.name] = starts, lines


@contextmanager
def excerpt_of(source: Path, mapping: Mapping) -> Iterator[Excerpt]:
    """A temporary folder with excerpts of the files of a mapping."""
    with tempfile.TemporaryDirectory(prefix="recstack-check-") as folder:
        excerpt = Excerpt(Path(folder), source.absolute())
        for name in {table.file for _, table in mapping.tables}:
            _take(excerpt, source / name)
        yield excerpt


def _take(excerpt: Excerpt, path: Path) -> None:
    target = excerpt.folder / path.name
    if not path.is_file():
        if path.exists():  # a folder of parts: the first ones
            _take_parts(excerpt, path)
        return
    size, packed = path.stat().st_size, sampling.compression_of(path)
    if streams.format_of(path) == streams.PARQUET:
        if _parquet_rows(path) > 2 * _ROWS:
            _take_row_groups(path, target)
            excerpt.partial.add(path.name)
            return
    elif size > (SMALL // 4 if packed else SMALL):
        excerpt.add_text(path, list(_pieces(path, size, packed)))
        return
    target.symlink_to(path.absolute())


def _take_parts(excerpt: Excerpt, path: Path) -> None:
    parts = streams.parts_of(path)
    taken, size = [], 0
    for part in parts:
        if size > SMALL:
            break
        taken.append(part)
        size += part.path.stat().st_size
    for part in taken:
        target = excerpt.folder / path.name / part.path.relative_to(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(part.path.absolute())
    if len(taken) < len(parts):
        excerpt.partial.add(path.name)
        excerpt.pieces = max(excerpt.pieces, len(taken))


def _pieces(path: Path, size: int, packed: str | None) -> Iterator[tuple[int, bytes]]:
    """The beginning of a text file, and where it can be sought, pieces at equal distances."""
    head = b""
    for chunk in streams.chunks(path, _PIECE):
        head += chunk
        if len(head) >= (SMALL if packed else _HEAD):
            break
    head = head[: head.rfind(b"\n") + 1] or head
    yield 0, head
    if packed or b"\0" in head[:1000]:  # two bytes a character: pieces would have to begin at an even one
        return
    with path.open("rb") as stream:
        step = (size - len(head)) // _PIECES
        for number in range(1, _PIECES + 1):
            offset = len(head) + number * step - _PIECE
            stream.seek(max(len(head), offset))
            piece = stream.read(_PIECE)
            start = _begin(piece, head)
            end = piece.rfind(b"\n") + 1
            if start < end:
                yield max(len(head), offset) + start, piece[start:end]


def _begin(piece: bytes, head: bytes) -> int:
    """Where a record begins: after a line break, which in text with quotes no odd number of quotes may stand before."""
    start = piece.find(b"\n") + 1
    if b'"' not in head:
        return start
    line = re.compile(rb"^[^\n]*\n", re.MULTILINE)
    width = head.split(b"\n", 1)[0].count(b",")
    for match in line.finditer(piece, start, start + (64 << 10)):
        if match[0].count(b'"') % 2 == 0 and (not width or match[0].count(b",") >= width):
            return match.start()
    return start


def _parquet_rows(path: Path) -> int:
    with streams.explained(path), pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def _take_row_groups(path: Path, target: Path) -> None:
    """Row groups at equal distances, about a million rows of them."""
    with pq.ParquetFile(path) as file:
        groups = file.metadata.num_row_groups
        rows = file.metadata.num_rows / groups
        taken = max(1, min(groups, round(_ROWS / rows)))
        with pq.ParquetWriter(target, file.schema_arrow) as writer:
            for number in range(taken):
                table = file.read_row_group(number * groups // taken)
                writer.write_table(table.slice(0, 2 * _ROWS))


def _line(starts: list[int], lines: list[int], match: re.Match[str]) -> str:
    line = int(match[2].replace(",", ""))
    piece = bisect_right(starts, line) - 1
    if piece == 0:
        return match[0]
    about = lines[piece] + line - starts[piece]
    return f", about line {about:,}"
