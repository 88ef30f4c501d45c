"""Rows of a text file with a separator, by the names of its columns."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from recstack.data.adapters.mapping_tables import REST, Table
from recstack.data.reading.blocks import CHUNK, blocks
from recstack.data.reading.decoding import Decoder
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.lenient import parse
from recstack.data.reading.quoted import quoted_rows
from recstack.data.reading.rows import Job, listed
from recstack.data.reading.streams import Part, chunks
from recstack.data.reading.unquoted import unquoted_rows
from recstack.errors import DataError

_SEPARATORS: Final = (";", "\t", ",", "|", "::", "\x01")


@dataclass(frozen=True)
class Header:
    """The names of the columns, and where the rows begin."""

    names: list[str]
    """One for each cell of a row; "" for a cell without a name."""
    size: int
    """Bytes that the header line and blank lines before it take."""
    line: int
    """Number of the first line after it, from 1."""


def text_jobs(part: Part, decoder: Decoder, table: Table, columns: Sequence[str]) -> Iterator[Job]:
    """Jobs that read the wanted columns, in the order of the rows.

    Raises:
        DataError: a column is missing or there twice, or a line of the head can't be read.
    """
    dialect = Dialect.of(table)
    texts = decoder.utf8(chunks(part.path, CHUNK))
    head, header = _head(texts, dialect, table, part.name)
    inside = [name for name in columns if name not in part.partition]
    require(inside, header.names, part.name, table)
    indexes = {name: header.names.index(name) for name in inside}
    for block in blocks(_chain(head[header.size :], texts), dialect, header.line):
        read = unquoted_rows if not block.quoted and block.records is None else quoted_rows
        yield partial(read, block, dialect, indexes, len(header.names), part.name)


def text_columns(part: Part, decoder: Decoder, table: Table) -> list[str]:
    """Names of the columns."""
    return _head(decoder.utf8(chunks(part.path, CHUNK)), Dialect.of(table), table, part.name)[1].names


def _head(texts: Iterator[bytes], dialect: Dialect, table: Table, file: str) -> tuple[bytes, Header]:
    """The first pieces of a text up to its first row, which tells how many columns there are; and the header."""
    head = b""
    for text in texts:
        head += text
        if len(parse(head.decode("utf-8"), dialect, final=False, most=2)[0]) == 2 or len(head) > CHUNK:
            break
    return head, _header(head.decode("utf-8"), dialect, table, file)


def _header(head: str, dialect: Dialect, table: Table, file: str) -> Header:
    begins = replace(dialect, rest=None) if table.columns is None else dialect
    records, _ = parse(head, begins, final=True, most=2)
    if not records:
        raise DataError(f"{file} holds no lines, so no header: get it again")
    first = records[0].cells
    has_header = table.header if table.header is not None else table.columns is None
    if table.columns is not None:
        names = [name.removesuffix(REST) for name in table.columns]
        row = records[1].cells if has_header and len(records) > 1 else first
        if len(row) < len(names) and dialect.rest is None:
            raise DataError(
                f"{file}: its first line has {len(row)} columns, not the {len(names)} of {', '.join(names)}: is"
                f" separator = {_toml(dialect.separator)} right?"
            )
    else:
        names = [name.strip() if first.count(name.strip()) == 0 else name for name in first]
        row = records[1].cells if len(records) > 1 else first
    # Cells that no name belongs to are left out; under a header they have to be empty, or the names may be shifted.
    is_spare = dialect.rest is None and (table.columns is not None or not any(map(str.strip, row[len(names) :])))
    extra = [""] * (len(row) - len(names)) if is_spare else []
    if not has_header:
        return Header([*names, *extra], 0, 1)
    _, taken = parse(head, begins, final=True, most=1)
    skipped = head[:taken]
    return Header([*names, *extra], len(skipped.encode("utf-8")), 1 + skipped.count("\n"))


def require(columns: Sequence[str], found: list[str], file: str, table: Table | None = None) -> None:
    """Check that each column is there once.

    Raises:
        DataError: one is not; the message says what to write.
    """
    if missing := [name for name in columns if name not in found]:
        raise DataError(
            f"{file} has no column {', '.join(missing)}; it has {listed([*filter(None, found)]) or 'no columns at all'}"
            f"{_hint(missing, found, table)}"
        )
    if repeated := [name for name in dict.fromkeys(columns) if found.count(name) > 1]:
        raise DataError(f"{file} has more than one column {', '.join(repeated)}: remove all but the right one")


def _hint(missing: list[str], found: list[str], table: Table | None) -> str:
    """What the reason may be."""
    found = [name for name in found if name]
    if table is not None and not table.quote and all(f'"{name}"' in found for name in missing):
        return ". They stand in quotes: write quote = '\"'"
    if any("\ufffd" in name for name in found):
        return ". Its header holds bytes that mean nothing in UTF-8: set encoding"
    if table is not None and len(found) == 1:
        for separator in _SEPARATORS:
            if separator in found[0] and all(name in _names(found[0], separator) for name in missing):
                return f". Is separator missing? Write separator = {_toml(separator)}"
        if all(name in found[0].split() for name in missing):
            return '. Is separator missing? Write separator = "spaces"'
    same = {each.strip().lower(): each for each in found}
    if others := [same[name.lower()] for name in missing if name.lower() in same]:
        return f". Capital letters matter: write {', '.join(_toml(name) for name in others)}"
    if table is not None and table.columns is None and found and all(re.fullmatch(r"[\d.:-]+", each) for each in found):
        return '. If this is its first row, and there is no header line, write columns = ["…"] with all names'
    return ""


def _names(header: str, separator: str) -> list[str]:
    return [name.strip().strip('"') for name in header.split(separator)]


def _toml(text: str) -> str:
    return (
        '"'
        + "".join(f"\\u{ord(each):04x}" if each < " " and each != "\t" else each for each in text).replace("\t", "\\t")
        + '"'
    )


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
