"""Reads source files into frames with the columns that an adapter needs, or says what is wrong with them."""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NumericType, StringType, StructField, StructType

from recstack.errors import DataError

_YEAR_2100 = 4_102_444_800


def read_delimited(spark: SparkSession, path: Path, columns: list[str], separator: str = ",") -> DataFrame:
    """Read columns of a text file with a header line, plain or `.gz`, as strings.

    Quotes (doubled inside a quoted field) count in comma separated files only. Cells that are missing in a short line
    are null.

    Raises:
        DataError: a column is missing or there twice, or the header can't be read.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream, delimiter=separator), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read ({error}): it is damaged or cut short, get it again") from error
    _require(columns, header, path)
    quote = '"' if separator == "," else ""
    # Spark refuses a repeated name, and takes names that differ in case for the same.
    names = [name if name in columns else f"_{place}" for place, name in enumerate(header)]
    schema = StructType([StructField(name, StringType()) for name in names])
    frame = spark.read.csv(_literal(path), schema, sep=separator, header=True, quote=quote, escape=quote)
    return frame.select(*columns)


def read_parquet(spark: SparkSession, path: Path, columns: Mapping[str, str]) -> DataFrame:
    """Read columns of a Parquet file or folder.

    Args:
        spark: the session.
        path: file or folder.
        columns: name of each needed column and its kind: "number", "text" or "texts" (a list of them).

    Raises:
        DataError: a column is missing or of another kind.
    """
    frame = spark.read.parquet(_literal(path))
    _require(list(columns), frame.columns, path)
    for name, kind in columns.items():
        if _kind(frame.schema[name].dataType) != kind:
            found = frame.schema[name].dataType.simpleString()
            raise DataError(f"{path}: column {name!r} must hold {kind}, but its type is {found}")
    return frame.select(*columns)


def number(name: str, kind: str) -> Column:
    """A column as a Spark type such as "bigint"; null where it is no such number."""
    return F.col(name).try_cast(kind)


def epoch_seconds(name: str) -> Column:
    """A column of seconds since 1970 as a timestamp; null outside 1970..2100 (milliseconds, for instance)."""
    seconds = number(name, "double")
    return F.timestamp_seconds(F.when(seconds.between(0, _YEAR_2100), seconds))


def _require(columns: list[str], found: list[str], path: Path) -> None:
    if missing := [name for name in columns if name not in found]:
        raise DataError(f"{path} has no column {', '.join(missing)}; it has {', '.join(found) or 'no columns at all'}")
    if repeated := [name for name in columns if found.count(name) > 1]:
        raise DataError(f"{path} has more than one column {', '.join(repeated)}: remove all but the right one")


def _literal(path: Path) -> str:
    """The path as Spark takes it, which reads `[1]`, `*` and the like as patterns otherwise."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path.absolute()))


def _kind(type_: DataType) -> str:
    if isinstance(type_, NumericType):
        return "number"
    if isinstance(type_, StringType):
        return "text"
    is_texts = isinstance(type_, ArrayType) and isinstance(type_.elementType, StringType)
    return "texts" if is_texts else "other"
