"""Pieces of a file: its beginning, and where it can be sought, later pieces; so a file of any size takes a second."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from recstack.data.reading import streams
from recstack.errors import DataError

HEAD: Final = 4 << 20
"""Bytes of text read from the beginning."""
LATER: Final = 16
"""How many later pieces are read."""
PIECE: Final = 256 << 10
"""Bytes of a later piece."""
_COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
}


@dataclass(frozen=True)
class FileSample:
    """Pieces of one file, or of the files of a folder."""

    path: Path
    parts: list[streams.Part]
    """The file, or the files of the folder."""
    size: int
    """Bytes on the disk."""
    format: str
    """`streams.TEXT` or `streams.PARQUET`."""
    compression: str | None = None
    """Such as "gzip"."""
    head: bytes = b""
    """The first bytes of text, decompressed."""
    later: list[tuple[int, bytes]] = field(default_factory=list)
    """Offsets and bytes of later pieces; each begins after a line break and ends with one. The pieces of a folder are
    beginnings of its other files, at offset 0."""
    whole: bool = False
    """Whether `head` is all there is."""


def sample(path: Path) -> FileSample:
    """Read pieces of a file or folder.

    Raises:
        DataError: it can't be opened or decompressed, is empty, or is of a format that is not read.
    """
    with streams.explained(path):
        parts = streams.parts_of(path)
        size = sum(part.path.stat().st_size for part in parts)
    if not size:
        raise DataError(f"{path} is empty: get it again")
    first = parts[0].path
    kind, compression = streams.format_of(first), compression_of(first)
    if kind != streams.TEXT:
        return FileSample(path, parts, size, kind, compression, whole=False)
    head, whole = _head(first)
    if parts[1:]:
        others = parts[1 :: max(1, len(parts) // LATER)][:LATER]
        later = [(0, _to_last_break(next(streams.chunks(part.path, PIECE), b""))) for part in others]
        return FileSample(path, parts, size, kind, compression, head, later)
    later = []
    if not whole and compression is None:
        with first.open("rb") as stream:
            later = list(_later_pieces(stream, size))
    return FileSample(path, parts, size, kind, compression, head, later, whole)


def compression_of(path: Path) -> str | None:
    """How a file is compressed, whatever its name says; None for not at all."""
    with streams.explained(path), path.open("rb") as stream:
        start = stream.read(8)
    return next((name for mark, name in _COMPRESSIONS.items() if start.startswith(mark)), None)


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes, to the end of a line, and whether they are all."""
    found = b""
    for chunk in streams.chunks(path, HEAD):
        if len(found) >= HEAD:
            return _to_last_break(found), False
        found += chunk
    return found, True


def _later_pieces(stream: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Pieces at equal distances, the last at the end."""
    step = max(PIECE, (size - HEAD) // LATER)
    for offset in range(HEAD + step, size + step, step):
        start = max(HEAD, min(offset, size) - PIECE)
        stream.seek(start)
        piece = stream.read(PIECE)
        cut = piece.find(b"\n") + 1
        if piece := _to_last_break(piece[cut:]):
            yield start + cut, piece


def _to_last_break(piece: bytes) -> bytes:
    return piece[: piece.rfind(b"\n") + 1] or piece
