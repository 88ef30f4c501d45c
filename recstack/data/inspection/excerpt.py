"""A folder with excerpts of large files, so that a check of them takes seconds; small files are read as they are."""

import csv
import io
import re
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from recstack.data.adapters.mapping import Mapping
from recstack.data.inspection import sampling
from recstack.data.reading import streams
from recstack.data.reading.dialect import Dialect

SMALL: Final = 32 << 20
"""Bytes of text up to which a file is read whole; of compressed text a quarter of it, as it is several times longer."""
_HEAD: Final = 8 << 20
_PIECES: Final = 16
_PIECE: Final = 1 << 19
_ROWS: Final = 1_000_000
_TRIED: Final = 200
"""Line breaks after which a record is tried to begin."""
_LOOK: Final = 1 << 16
"""Bytes that have to be whole records after it."""
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

    def about_files(self, text: str) -> str:
        """A message about the excerpt as one about the files: their paths, and about which line of them it is."""
        text = text.replace(str(self.folder), str(self.source))
        for name in self._starts:
            if text.startswith(name):
                return _LINE.sub(partial(_line, *self._starts[name]), text)
        return text

    def add_text(self, path: Path, pieces: list[tuple[int, bytes]]) -> None:
        """Write pieces of a text file, with their offsets in it."""
        starts, lines, line, about, end = [], [], 1, 1.0, 0
        with (self.folder / path.name).open("wb") as out:
            for offset, piece in pieces:
                breaks = piece.count(b"\n")
                about += (offset - end) * breaks / len(piece)  # what lies between is like what follows
                starts.append(line)
                lines.append(round(about))
                out.write(piece)
                line, about, end = line + breaks, about + breaks, offset + len(piece)
        self.partial.add(path.name)
        self.pieces = max(self.pieces, len(pieces))
        self._starts[path.name] = starts, lines


@contextmanager
def excerpt_of(source: Path, mapping: Mapping) -> Iterator[Excerpt]:
    """A temporary folder with excerpts of the files of a mapping."""
    with tempfile.TemporaryDirectory(prefix="recstack-check-") as folder:
        excerpt = Excerpt(Path(folder), source.absolute())
        for name, table in {table.file: table for _, table in mapping.tables}.items():
            _take(excerpt, source / name, Dialect.of(table))
        yield excerpt


def _take(excerpt: Excerpt, path: Path, dialect: Dialect) -> None:
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
        excerpt.add_text(path, list(_pieces(path, size, packed, dialect)))
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


def _pieces(path: Path, size: int, packed: str | None, dialect: Dialect) -> Iterator[tuple[int, bytes]]:
    """The beginning of a text file, and where it can be sought, pieces at equal distances."""
    head = b""
    for chunk in streams.chunks(path, _PIECE):
        head += chunk
        if len(head) >= (SMALL if packed else _HEAD):
            break
    yield 0, _whole_records(head, dialect) or head
    if packed or b"\0" in head[:1000]:  # two bytes a character: pieces would have to begin at an even one
        return
    with path.open("rb") as stream:
        step = (size - len(head)) // _PIECES
        for number in range(1, _PIECES + 1):
            offset = len(head) + number * step - _PIECE
            stream.seek(max(len(head), offset))
            piece = stream.read(_PIECE)
            start = _begin(piece, head, dialect)
            if start is not None and (found := _whole_records(piece[start:], dialect)):
                yield max(len(head), offset) + start, found


def _begin(piece: bytes, head: bytes, dialect: Dialect) -> int | None:
    """Where a record begins: after a line break, from which on cells keep the rules; None if there is none."""
    starts = [match.end() for match in islice(re.finditer(rb"\n", piece), _TRIED)]
    if not dialect.quote or dialect.quote.encode() not in head or not dialect.fits_arrow:
        return starts[0] if starts else None
    width = len(next(_cells(head, dialect), []))
    return next((start for start in starts if _keeps_rules(piece[start : start + _LOOK], dialect, width)), None)


def _whole_records(piece: bytes, dialect: Dialect) -> bytes:
    """The piece up to its last line break that is in no cell: before it the quotes open and close in turns."""
    quote = dialect.quote.encode()
    plain = piece.replace(dialect.escape.encode() + quote, b"xx") if dialect.escape else piece
    end = plain.rfind(b"\n") + 1
    quotes = plain.count(quote, 0, end) if quote else 0
    while quotes % 2 and end:
        before = plain.rfind(b"\n", 0, end - 1) + 1
        quotes, end = quotes - plain.count(quote, before, end), before
    return piece[:end]


def _keeps_rules(piece: bytes, dialect: Dialect, width: int) -> bool:
    found = 0
    try:
        for cells in _cells(piece, dialect):
            if cells and len(cells) != width:
                return False
            found += 1
    except csv.Error as error:
        return found > 1 and "unexpected end" in str(error)
    return True


def _cells(piece: bytes, dialect: Dialect) -> Iterator[list[str]]:
    """The records of a piece, without a last one that is cut."""
    text = piece[: piece.rfind(b"\n") + 1].decode("latin-1")
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        escapechar=dialect.escape or None,
        doublequote=not dialect.escape,
        strict=True,
    )


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
