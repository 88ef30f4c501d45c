"""Opens a file by what it contains: how it is compressed, and which format it has, whatever its name says."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast
from urllib.parse import unquote

import pyarrow as pa

from recstack.errors import DataError

_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
}
PARQUET: Final = "parquet"
TEXT: Final = "text"
_BINARY: Final = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV (UTF-8)",
    b"ORC": "an ORC file: write it as Parquet",
    b"Obj\x01": "an Avro file: write it as Parquet",
    b"ARROW1": "an Arrow (Feather) file: write it as Parquet",
    b"SQLite format 3\x00": "an SQLite database: write the table as CSV",
    b"\x89HDF": "an HDF5 file: write the table as CSV or Parquet",
    b"\x93NUMPY": "a NumPy array: write it as CSV",
    b"%PDF": "a PDF document: get the table as CSV",
    b"\x80\x04\x95": "a Python pickle: write it as Parquet",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x04\x22\x4d\x18": "compressed by LZ4: unpack it",
}
_HEAD: Final = 512


@dataclass(frozen=True)
class Part:
    """One file of a table: the only one, or one of a folder."""

    path: Path
    name: str
    """For messages: the name of the file, with the folder's before it."""
    partition: dict[str, str]
    """Values of columns that the names of folders hold, as in `country=de/part-0.csv`."""


def parts_of(path: Path) -> list[Part]:
    """The file, or the files of a folder by name; names that begin with a dot or an underscore are none.

    Raises:
        DataError: the folder is the table of another program.
    """
    if not path.is_dir():
        return [Part(path, path.name, {})]
    if (path / "_delta_log").is_dir():
        raise DataError(f"{path} is a Delta table, which may hold old versions of rows: write it as Parquet or CSV")
    found = []
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        inside = file.relative_to(path)
        if any(name[0] in "._" for name in inside.parts) or not file.stat().st_size:
            continue
        pairs = [name.split("=", 1) for name in inside.parts[:-1] if "=" in name]
        found.append(Part(file, f"{path.name}/{inside}", {key: unquote(value) for key, value in pairs}))
    return found


def format_of(path: Path) -> str:
    """`PARQUET` or `TEXT`.

    Raises:
        DataError: the file can't be opened, or is of a format that is not read.
    """
    head = next(chunks(path, _HEAD), b"")
    if head.startswith(b"PAR1"):
        with explained(path), path.open("rb") as raw:
            if raw.read(4) != b"PAR1":
                raise DataError(f"{path} is a compressed Parquet file: unpack it; Parquet is compressed inside")
        return PARQUET
    if head[257:262] == b"ustar":
        raise DataError(f"{path} is a tar archive: unpack it")
    for mark, what in _BINARY.items():
        if head.startswith(mark):
            raise DataError(f"{path} is {what}")
    return TEXT


def chunks(path: Path, size: int) -> Iterator[bytes]:
    """The bytes of a file, decompressed, about `size` of them at a time.

    Raises:
        DataError: the file can't be opened or, also after a while, decompressed.
    """
    with explained(path), _opened(path) as stream:
        while data := stream.read(size):
            yield data


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        start = raw.read(8)
        raw.seek(0)
        kind = next((name for mark, name in _COMPRESSED.items() if start.startswith(mark)), None)
        if kind == "zip":
            with zipfile.ZipFile(raw) as archive, archive.open(_only_member(path, archive)) as member:
                yield cast(BinaryIO, member)
        elif kind == "zstd":
            with pa.CompressedInputStream(pa.PythonFile(raw), "zstd") as stream:
                yield stream
        elif kind is not None:
            with _unpacked(raw, kind) as stream:
                yield stream
        else:
            yield raw


def _unpacked(raw: BinaryIO, kind: str) -> BinaryIO:
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return cast(BinaryIO, bz2.BZ2File(raw) if kind == "bzip2" else lzma.LZMAFile(raw))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Replace errors about a file by one sentence.

    Raises:
        DataError: reading the file raised an error of the system or of its compression.
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    except PermissionError:
        raise DataError(f"{path} can't be read: you have no permission to read it; allow it with chmod") from None
    except OSError as error:
        if error.errno is None:  # of a decompressor, not of the system
            raise _damaged(path, error) from None
        raise DataError(f"{path} can't be read ({error.strerror})") from None


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if "xl/workbook.xml" in names:
        raise DataError(f"{path} is an Excel workbook: save the sheet as CSV (UTF-8)")
    if len(names) != 1:
        raise DataError(f"{path} is a zip of {len(names)} files: unpack it, and name the one that is meant")
    return names[0]


def _damaged(path: Path, error: BaseException) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path} can't be read to its end ({reason}): it is damaged or cut short, get it again")
