"""Files as tables: the columns that a sample of a file shows, whatever its format."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from recstack.data.inspection.columns import Column, describe
from recstack.data.inspection.dialect import DialectGuess, guess_dialect
from recstack.data.inspection.encoding import EncodingGuess, decode, guess_encoding
from recstack.data.inspection.facts import counted
from recstack.data.inspection.sampling import FileSample, sample
from recstack.data.reading import streams
from recstack.errors import DataError

ROWS: Final = 10_000
"""Rows from which columns are described."""
CELLS: Final = 200_000
"""Cells from which they are described; a wide table gives fewer rows, but at least some hundred."""
_START: Final = 4_000
"""Characters from which it is seen whether a file is text."""
FIRST: Final = 100
"""Rows that are kept."""


@dataclass(frozen=True)
class TableSample:
    """The columns of a file."""

    sample: FileSample
    layout: str
    """"text", "json" (one object a line) or "parquet"."""
    columns: list[Column]
    rows: list[dict[str, Any]]
    """The first rows."""
    encoding: EncodingGuess | None = None
    dialect: DialectGuess | None = None
    estimated_rows: int | None = None

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self.sample.path.name

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(each for each in self.columns if each.name == name)


def read_table(path: Path) -> TableSample:
    """Look into a file or folder.

    Raises:
        DataError: it can't be read, or is of a format that recstack does not read.
    """
    pieces = sample(path)
    if pieces.format == streams.PARQUET:
        return _read_parquet(pieces)
    encoding = guess_encoding(pieces.head + b"".join(piece for _, piece in pieces.later))
    text = decode(pieces.head, encoding.name)
    _require_text(pieces.path, text)
    return _read_json(pieces, encoding, text) if text.lstrip().startswith("{") else _read_text(pieces, encoding, text)


def _require_text(path: Path, text: str) -> None:
    start = text[:_START]
    if start.lstrip().startswith("[") and start.lstrip()[1:].lstrip().startswith("{"):
        raise DataError(f"{path} is one JSON array: write one object a line, such as with jq -c '.[]'")
    odd = sum(each < " " and each not in "\t\r\n\0\x01" for each in start)
    if odd > 0.05 * len(start):
        raise DataError(f"{path} is no text, and of no format that recstack reads: write it as CSV or Parquet")


def count_of_rows(table: TableSample) -> str:
    """Number of rows, in words that say whether it is exact."""
    if table.estimated_rows is None:
        return "more rows than were counted"
    exact = table.layout == "parquet" or table.estimated_rows <= ROWS
    return f"{'' if exact else 'about '}{counted(table.estimated_rows, 'row')}"


def _read_text(pieces: FileSample, encoding: EncodingGuess, text: str) -> TableSample:
    dialect = guess_dialect(text)
    width = dialect.columns
    most = _most(width)
    rows = dialect.rows(text, ROWS + 2)
    if dialect.header:
        names = [*rows[0], *(f"column {index + 1}" for index in range(len(rows[0]), width))]
        rows = rows[1:]
    else:
        names = [f"column {index + 1}" for index in range(width)]
    whole_rows = [row for row in rows[:most] if len(row) == width] or rows
    columns = [
        describe(name, [row[index] if index < len(row) else "" for row in whole_rows])
        for index, name in enumerate(names)
    ]
    first = [dict(zip(names, row, strict=False)) for row in whole_rows[:FIRST]]
    return TableSample(pieces, "text", columns, first, encoding, dialect, _estimate(pieces, len(rows), text))


def _read_json(pieces: FileSample, encoding: EncodingGuess, text: str) -> TableSample:
    objects = [found for line in text.splitlines()[:ROWS] if isinstance(found := _object(line), dict)]
    if not objects:
        raise DataError(f"{pieces.path} begins like JSON, but its lines are no objects: one object a line is expected")
    names = list(dict.fromkeys(name for each in objects for name in each))
    some = objects[: _most(len(names))]
    columns = [describe(name, [each.get(name) for each in some], typed="json") for name in names]
    rows = _estimate(pieces, len(objects), text)
    return TableSample(pieces, "json", columns, objects[:FIRST], encoding, None, rows)


def _most(columns: int) -> int:
    return max(500, min(ROWS, CELLS // max(1, columns)))


def _object(line: str) -> Any:
    """The value of a line; some collections write objects as Python does, with single quotes."""
    try:
        return json.loads(line)
    except ValueError:
        pass
    try:
        return ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _read_parquet(pieces: FileSample) -> TableSample:
    first = pieces.parts[0]
    if pieces.compression:
        raise DataError(f"{pieces.path} is Parquet inside {pieces.compression}: unpack it")
    try:
        with pq.ParquetFile(first.path) as file:
            schema: pa.Schema = file.schema_arrow
            batch = next(file.iter_batches(_most(len(schema))), None)
            rows = file.metadata.num_rows * len(pieces.parts)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{first.path} can't be read ({error}): it is damaged or cut short, get it again") from None
    table = pa.Table.from_batches([batch] if batch is not None else [], schema)
    columns = [describe(name, table[name].to_pylist(), typed=str(table[name].type)) for name in table.column_names]
    for name in first.partition:
        columns.append(describe(name, [part.partition.get(name) for part in pieces.parts], typed="folder"))
    found = [{**row, **first.partition} for row in table.slice(0, FIRST).to_pylist()]
    return TableSample(pieces, "parquet", columns, found, estimated_rows=rows)


def _estimate(pieces: FileSample, rows: int, text: str) -> int | None:
    """Rows of the whole file, by the length of the first ones; None if a compressed file was not read to its end."""
    if len(pieces.head) == pieces.size and rows <= ROWS:
        return rows
    lines = text.count("\n")
    if pieces.whole and not pieces.parts[1:]:
        return lines if rows > ROWS else rows
    return None if pieces.compression or not lines else round(pieces.size / len(pieces.head) * lines)
