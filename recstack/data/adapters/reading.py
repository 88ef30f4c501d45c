"""Reads columns of source files into frames; a `DataError` names the file and what is wrong with it."""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    NumericType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from recstack.data.adapters.cells import cell
from recstack.errors import DataError


def read_delimited(
    spark: SparkSession,
    path: Path,
    columns: list[str],
    separator: str = ",",
    *,
    names: list[str] | None = None,
    encoding: str = "utf-8",
    quote: str | None = None,
) -> DataFrame:
    """Read columns of a text file, plain or `.gz`, as strings.

    Cells that are missing in a short line are null. A quote is doubled inside a quoted field.

    Args:
        spark: the session.
        path: the file.
        columns: what to read.
        separator: one character or more.
        names: of all columns of a file without a header line.
        encoding: of the text, by a name that both Spark and Python know.
        quote: one character, or "" for none; by default a double quote in comma separated files, and none in others.

    Raises:
        DataError: a column is missing or there twice, or the first line can't be read.
    """
    if quote is None:
        quote = '"' if separator == "," else ""
    first = _first_line(path, separator, encoding, quote)
    if names is None:
        header = first
    elif len(first) < len(names):
        raise DataError(f"{path}: its first line has {len(first)} columns, not the {len(names)} of {', '.join(names)}")
    else:
        header = [*names, *[""] * (len(first) - len(names))]
    _require(columns, header, path)
    # Spark refuses a repeated name, and takes names that differ in case for the same.
    fields = [name if name in columns else f"_{index}" for index, name in enumerate(header)]
    schema = StructType([StructField(name, StringType()) for name in fields])
    frame = spark.read.csv(
        _literal(path), schema, sep=separator, header=names is None, quote=quote, escape=quote, encoding=encoding
    )
    return frame.select(*map(cell, columns))


def read_lines(spark: SparkSession, path: Path, pattern: str, layout: str) -> DataFrame:
    """Read the lines of a text file as the column `line`, without trailing blanks.

    Args:
        spark: the session.
        path: the file, plain or `.gz`.
        pattern: what the first line must match.
        layout: what a line holds, in words for the message.

    Raises:
        DataError: the first line does not match.
    """
    if not re.match(pattern, "\t".join(_first_line(path, "\t", "utf-8", ""))):
        raise DataError(f"{path}: its first line is not {layout}")
    return spark.read.text(_literal(path)).select(F.rtrim("value").alias("line"))


def _first_line(path: Path, separator: str, encoding: str, quote: str) -> list[str]:
    signed = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding=signed, newline="") as stream:
            if len(separator) > 1:
                return stream.readline().rstrip("\r\n").split(separator)
            if not quote:
                return next(csv.reader(stream, delimiter=separator, quoting=csv.QUOTE_NONE), [])
            return next(csv.reader(stream, delimiter=separator, quotechar=quote), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read ({error}): it is damaged or cut short, get it again") from error


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
    _require(list(columns), frame.columns, path)
    for name, kind in columns.items():
        if _kind(frame.schema[name].dataType) not in kind.split(" or "):
            found = frame.schema[name].dataType.simpleString()
            raise DataError(f"{path}: column {name!r} must hold {kind}, but its type is {found}")
    return frame.select(*map(cell, columns))


def _require(columns: list[str], found: list[str], path: Path) -> None:
    if missing := [name for name in columns if name not in found]:
        raise DataError(f"{path} has no column {', '.join(missing)}; it has {', '.join(found) or 'no columns at all'}")
    if repeated := [name for name in columns if found.count(name) > 1]:
        raise DataError(f"{path} has more than one column {', '.join(repeated)}: remove all but the right one")


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
