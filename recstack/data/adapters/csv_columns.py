"""Columns of a team's own tables, as `mapping.toml` describes them; a column without a readable cell is an error."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.cells import cell, epoch_seconds, nulls, number, whole_number
from recstack.data.adapters.mapping import FILE, ItemTable, Log, Mapping, Table
from recstack.data.contract import ITEMS
from recstack.errors import DataError

_TICKS: Final = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_ISO: Final = "iso"
_FIRST_ROWS: Final = 100
"""If none of so many cells can be read, the mapping is wrong rather than the data."""


class Parsed(NamedTuple):
    """A column of a file as what it should hold; cells that hold something else are null."""

    name: str
    value: Column
    wanted: str
    """What a cell should be, for messages."""


def id_column(name: str, kind: Literal["user", "item"], mapping: Mapping) -> Parsed:
    """Ids of users or items: words or whole numbers, as the mapping says."""
    if kind in (mapping.text_ids or ()):
        return Parsed(name, F.nullif(F.trim(cell(name).cast("string")), F.lit("")), "word")
    hint = f'whole number; if the ids are words, write text_ids = ["{kind}"] at the top of {FILE}'
    return Parsed(name, whole_number(name, "bigint"), hint)


def rating_column(name: str) -> Parsed:
    """Ratings as numbers."""
    return Parsed(name, number(name, "float"), "number")


def timestamp_column(frame: DataFrame, log: Log, name: str) -> Parsed:
    """Timestamps in the format that the mapping gives.

    Raises:
        DataError: the column holds numbers, and the mapping does not give their unit.
    """
    type_ = frame.schema[name].dataType.simpleString()
    if type_.startswith(("timestamp", "date")):
        return Parsed(name, cell(name).cast("timestamp"), "time")
    if log.time_format in _TICKS:
        return Parsed(name, epoch_seconds(name, _TICKS[log.time_format]), f"number of {log.time_format}")
    if type_ != "string":
        units = '", "'.join(_TICKS)
        raise DataError(f'{log.file}: column {name!r} holds numbers: set interactions.time_format to "{units}"')
    pattern = [] if log.time_format == _ISO else [F.lit(log.time_format)]
    wanted = f"time of the format {log.time_format!r} (interactions.time_format)"
    return Parsed(name, F.try_to_timestamp(F.trim(cell(name)), *pattern), wanted)


def fact_columns(frame: DataFrame, items: ItemTable) -> list[Column]:
    """The columns of `contract.ITEMS` beside the id; null where the mapping names no column."""
    names = {c.TITLE: items.title, c.GENRES: items.genres, c.YEAR: items.year, c.TYPE: items.type}
    names |= {c.EPISODES: items.episodes, c.MEAN_SCORE: items.mean_score}
    return [_fact(frame, items, fact, name).alias(fact) if name else nulls(fact)[0] for fact, name in names.items()]


def require_readable(frame: DataFrame, table: Table, columns: Sequence[Parsed]) -> None:
    """Read the first rows.

    Raises:
        DataError: the file can't be read as the mapping says, or the first cells of a column hold something, and none
            of them can be read.
    """
    pairs = [
        F.struct(cell(each.name).cast("string").alias("cell"), each.value.isNotNull().alias("read")) for each in columns
    ]
    try:
        rows = frame.limit(_FIRST_ROWS).select(F.array(*pairs)).collect()
    except PySparkException as error:
        if "FAILED_READ_FILE" in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise DataError(f"{table.file} can't be read as {FILE} says: {reason}") from None
    for index, each in enumerate(columns):
        cells = [row[0][index] for row in rows if row[0][index][0] is not None]
        if cells and not any(is_read for _, is_read in cells):
            raise DataError(f"{table.file}: column {each.name!r} holds {cells[0][0]!r}, which is no {each.wanted}")


def _fact(frame: DataFrame, items: ItemTable, fact: str, name: str) -> Column:
    if fact == c.GENRES:
        is_list = frame.schema[name].dataType.simpleString().startswith("array")
        return cell(name) if is_list else F.split(cell(name), F.lit(f"\\Q{items.genre_separator}\\E"))
    kind = ITEMS[fact].dataType.simpleString()
    return (whole_number if kind == "int" else number)(name, kind)
