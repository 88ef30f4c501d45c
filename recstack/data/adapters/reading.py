"""Reads columns of source files into frames; a `DataError` names the file and what is wrong with it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from recstack.data.adapters.cells import cell
from recstack.data.adapters.mapping_tables import Table
from recstack.data.reading.cells import text_of
from recstack.data.reading.rows import Rows
from recstack.data.reading.staging import current_staging
from recstack.data.reading.tables import TableReader
from recstack.data.reading.text_files import require
from recstack.errors import DataError
from recstack.spark import read_table

_LINE = "line"


def read_delimited(
    spark: SparkSession,
    path: Path,
    columns: list[str],
    separator: str = ",",
    *,
    names: list[str] | None = None,
    encoding: str | None = None,
    quote: str | None = None,
) -> DataFrame:
    """Read columns of a text file, compressed or not, as strings.

    Cells that are missing in a short line are null; a line that is no row is one of nulls, for the contract to count.
    A quote is doubled inside a quoted field, which may hold line breaks.

    Args:
        spark: the session.
        path: the file, or a folder of parts.
        columns: what to read.
        separator: one character or more.
        names: of all columns of a file without a header line.
        encoding: of the text, by a name that Python knows; by default UTF-8, or what a byte order mark says.
        quote: one character, or "" for none; by default a double quote in comma separated files, and none in others.

    Raises:
        DataError: a column is missing or there twice, or the file can't be read.
    """
    if quote is None:
        quote = '"' if separator == "," else ""
    table = Table(file=path.name, separator=separator, columns=names, encoding=encoding, quote=quote)
    return _staged(spark, path, table, columns)


def read_lines(spark: SparkSession, path: Path, pattern: str, layout: str) -> DataFrame:
    """Read the lines of a text file as the column `line`, without blanks around them.

    Args:
        spark: the session.
        path: the file, compressed or not.
        pattern: what the first line must match.
        layout: what a line holds, in words for the message.

    Raises:
        DataError: the first line does not match.
    """
    table = Table(file=path.name, separator="\n", columns=[_LINE], quote="")
    frame = _staged(spark, path, table, [_LINE])
    first = frame.first()
    if first is None or not re.match(pattern, first[_LINE]):
        raise DataError(f"{path}: its first line is not {layout}")
    return frame


def _staged(spark: SparkSession, path: Path, table: Table, columns: list[str]) -> DataFrame:
    def tables() -> Iterator[pa.Table]:
        yield from TableReader(path.parent, table, columns).map(_text)

    written = current_staging().write(tables(), path.name.partition(".")[0], path.name)
    return read_table(spark, written).select(*map(cell, columns))


def _text(rows: Rows) -> pa.Table:
    """Cells as text, and a row of nulls for each line that is no row."""
    lost = pa.nulls(len(rows.unread), pa.string())
    return pa.table({name: pa.concat_arrays([text_of(cells), lost]) for name, cells in rows.cells.items()})


def read_parquet(spark: SparkSession, path: Path, columns: Mapping[str, str]) -> DataFrame:
    """Read columns of a Parquet file or folder.

    Args:
        spark: the session.
        path: file or folder.
        columns: name of each needed column and its kind: "number", "text", "time", a list of the first two as
            "numbers" or "texts", or several of them as "number or text".

    Raises:
        DataError: a column is missing or of another kind.
    """
    frame = spark.read.parquet(_literal(path))
    require(list(columns), frame.columns, str(path))
    for name, kind in columns.items():
        if _kind(frame.schema[name].dataType) not in kind.split(" or "):
            found = frame.schema[name].dataType.simpleString()
            raise DataError(f"{path}: column {name!r} must hold {kind}, but its type is {found}")
    return frame.select(*map(cell, columns))


def _literal(path: Path) -> str:
    """The path with `[`, `*` and the like escaped: Spark would read them as a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path.absolute()))


def _kind(type_: DataType) -> str:
    if isinstance(type_, NumericType):
        return "number"
    if isinstance(type_, StringType):
        return "text"
    if isinstance(type_, (DateType, TimestampType, TimestampNTZType)):
        return "time"
    one = _kind(type_.elementType) if isinstance(type_, ArrayType) else "other"
    return f"{one}s" if one in ("number", "text") else "other"
