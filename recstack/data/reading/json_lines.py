"""Rows of a file with one JSON object a line. Numbers stay the text that stands there."""

import ast
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa

from recstack.data.adapters.mapping_tables import Table
from recstack.data.reading.blocks import CHUNK, Block, blocks
from recstack.data.reading.decoding import Decoder
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.rows import UNREADABLE, Job, Rows, Unread, shown
from recstack.data.reading.streams import Part, chunks
from recstack.data.reading.text_files import require
from recstack.errors import DataError

_LINES: Final = Dialect("\n", "")


def json_jobs(part: Part, decoder: Decoder, table: Table, columns: Sequence[str]) -> Iterator[Job]:
    """Jobs that read the wanted names of the objects; `a.b` is the name b of the object a.

    Raises:
        DataError: the file is one array, a key is for other text, or the first objects lack a name.
    """
    if given := [key for key in table.text_options if key != "encoding"]:
        raise DataError(f"{part.name} holds JSON, which needs no {' or '.join(given)}: remove it from mapping.toml")
    inside = [name for name in columns if name not in part.partition]
    is_first = True
    for block in blocks(decoder.utf8(chunks(part.path, CHUNK)), _LINES, 1):
        if is_first:
            _check_first(block.data, inside, part.name)
        is_first = False
        yield partial(_rows, block, inside, part.name)


def is_json(head: bytes) -> bool:
    """Whether a text file begins like JSON."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:2].replace(b" ", b"") in (
        b'{"',
        b"{'",
        b"{u",
        b"{",
        b"[{",
        b"[",
    )


def _check_first(data: bytes, columns: Sequence[str], file: str) -> None:
    if data.lstrip().startswith(b"["):
        raise DataError(f"{file} is one JSON array: write one object a line, such as with jq -c '.[]'")
    found: dict[str, None] = {}
    for line in data.splitlines()[:1000]:
        value = _object(line)
        if isinstance(value, dict):
            found |= dict.fromkeys(_paths(value))
    if not found:
        raise DataError(f"{file} begins like JSON, but its lines are no objects: one object a line is expected")
    require(columns, list(found), file)


def _paths(value: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, inner in value.items():
        yield before + name
        if isinstance(inner, dict):
            yield from _paths(inner, f"{before}{name}.")


def _rows(block: Block, columns: Sequence[str], part: str) -> Rows:
    cells: list[list[Any]] = [[] for _ in columns]
    lines, unread = [], []
    for number, text in enumerate(block.data.split(b"\n"), start=block.line):
        if not text.strip():
            continue
        value = _object(text)
        if not isinstance(value, dict):
            unread.append(Unread(UNREADABLE, number, f"no JSON object: {shown(text.decode('utf-8', 'replace'))}"))
            continue
        lines.append(number)
        for column, name in zip(cells, columns, strict=True):
            column.append(_cell(value, name))
    found = {name: _array(column) for name, column in zip(columns, cells, strict=True)}
    return Rows(part, found, np.array(lines, np.int64), unread=unread, until=block.until)


def _object(line: bytes) -> Any:
    """The value of a line; some collections write objects as Python does, with single quotes."""
    try:
        return json.loads(line, parse_int=str, parse_float=str)
    except ValueError:
        pass
    try:
        return ast.literal_eval(line.decode("utf-8", "replace").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _cell(value: dict[str, Any], name: str) -> Any:
    if name in value:
        return _text(value[name])
    first, dot, rest = name.partition(".")
    inner = value.get(first)
    return _cell(inner, rest) if dot and isinstance(inner, dict) else None


def _text(cell: Any) -> Any:
    """A cell as text, a list of texts, or None."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, list):
        return [_text(each.get("name", each) if isinstance(each, dict) else each) for each in cell]
    if isinstance(cell, dict):
        return json.dumps(cell)
    return None if cell is None else str(cell)


def _array(cells: list[Any]) -> pa.Array:
    lists = sum(isinstance(cell, list) for cell in cells)
    if not lists:
        return pa.array(cells, pa.string())
    whole = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
    flat = [None if cell is None else [_one(each) for each in cell] for cell in whole]
    return pa.array(flat, pa.list_(pa.string()))


def _one(cell: Any) -> str | None:
    """An element of a list; a list in it becomes one text."""
    return " ".join(str(each) for each in cell) if isinstance(cell, list) else cell
