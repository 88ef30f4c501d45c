"""Any log of a team's own, without code: `mapping.toml` says which column of which file means what."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.mapping import FILE, Log, Mapping, Table, read_mapping
from recstack.data.adapters.reading import cell, epoch_seconds, number, read_delimited, read_parquet, whole_number
from recstack.data.traits import Traits
from recstack.errors import DataError

_TICKS: Final = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_ISO: Final = "iso"
_CELL: Final = "number or text"
_FIRST_ROWS: Final = 100
"""If not one of so many can be read, the mapping is wrong rather than the data."""


class CSVFiles(Dataset):
    """`mapping.toml` and the files that it names; see `mapping.Mapping` and docs/adding-a-dataset.md."""

    name: ClassVar[str] = "csv"
    licence: ClassVar[str] = "your own"

    def files(self, source: Path) -> list[Path]:
        """The mapping, and what it names."""
        if not (source / FILE).exists():
            return [source / FILE]
        mapping = read_mapping(source)
        tables = [mapping.interactions, *([mapping.items] if mapping.items else [])]
        return list(dict.fromkeys([source / FILE, *(source / table.file for table in tables)]))

    def traits(self, source: Path) -> Traits:
        """As the mapping says; ratings of a log without any are 1, on a scale from 0 to 1."""
        mapping = read_mapping(source)
        scale = mapping.rating
        return Traits(
            rating_min=scale.min if scale else 0.0,
            rating_max=scale.max if scale else 1.0,
            positive_from=scale.positive_from if scale else 1.0,
            has_timestamps=mapping.interactions.time is not None,
            text_ids=bool(mapping.text_ids),
        )

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Rows as they are; without ratings, those of the same user and item together as the newest of them."""
        mapping = read_mapping(source)
        log = mapping.interactions
        kinds = {log.user: _CELL, log.item: _CELL}
        kinds |= {name: _CELL for name in [log.rating] if name}
        kinds |= {name: f"{_CELL} or time" for name in [log.time] if name}
        frame = _read(spark, source, log, kinds)
        columns = {
            c.USER_ID: _id(log.user, "user", mapping),
            c.ITEM_ID: _id(log.item, "item", mapping),
            c.RATING: _Parsed(log.rating, number(log.rating, "float"), "number") if log.rating else None,
            c.TIMESTAMP: _moment(frame, log, log.time) if log.time else None,
        }
        _require_readable(frame, log, [each for each in columns.values() if each])
        without = {c.RATING: F.lit(1.0).cast("float"), c.TIMESTAMP: F.lit(None).cast("timestamp")}
        rows = frame.select(*((each.value if each else without[name]).alias(name) for name, each in columns.items()))
        return rows if log.rating else _once(rows, timed=log.time is not None)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue, or the items of the interactions by their ids alone."""
        mapping = read_mapping(source)
        items = mapping.items
        if items is None:
            ids = self.read_interactions(spark, source).select(c.ITEM_ID).distinct()
            return ids.where(F.col(c.ITEM_ID).isNotNull()).select(c.ITEM_ID, *_facts({}, None))
        names = {c.TITLE: items.title, c.YEAR: items.year, c.TYPE: items.type}
        names |= {c.EPISODES: items.episodes, c.MEAN_SCORE: items.mean_score}
        kinds = {name: _CELL for name in (items.item, *names.values()) if name}
        kinds |= {name: "text or texts" for name in [items.genres] if name}
        frame = _read(spark, source, items, kinds)
        item = _id(items.item, "item", mapping)
        _require_readable(frame, items, [item])
        genres = _genres(frame, items.genres, items.genre_separator) if items.genres else None
        return frame.select(item.value.alias(c.ITEM_ID), *_facts(names, genres))


class _Parsed(NamedTuple):
    """A column of a file as what it should be; cells that are nothing of the kind are null."""

    name: str
    value: Column
    wanted: str


def _read(spark: SparkSession, source: Path, table: Table, kinds: dict[str, str]) -> DataFrame:
    path = source / table.file
    if table.is_parquet:
        return read_parquet(spark, path, kinds)
    separator = table.separator or ("\t" if ".tsv" in path.suffixes else ",")
    quote = table.quote
    if quote is None:
        quote = "" if separator == "\t" or len(separator) > 1 else '"'
    return read_delimited(
        spark, path, list(kinds), separator, names=table.columns, encoding=table.encoding, quote=quote
    )


def _id(name: str, kind: Literal["user", "item"], mapping: Mapping) -> _Parsed:
    if kind in mapping.text_ids:
        return _Parsed(name, F.nullif(F.trim(cell(name).cast("string")), F.lit("")), "word")
    hint = f'whole number; if the ids are words, write text_ids = ["{kind}"] at the top of {FILE}'
    return _Parsed(name, whole_number(name, "bigint"), hint)


def _moment(frame: DataFrame, log: Log, name: str) -> _Parsed:
    type_ = frame.schema[name].dataType.simpleString()
    if type_.startswith(("timestamp", "date")):
        return _Parsed(name, cell(name).cast("timestamp"), "time")
    if log.time_format in _TICKS:
        return _Parsed(name, epoch_seconds(name, _TICKS[log.time_format]), f"number of {log.time_format}")
    if type_ != "string":
        units = '", "'.join(_TICKS)
        raise DataError(f'{log.file}: column {name!r} holds numbers: set interactions.time_format to "{units}"')
    pattern = [] if log.time_format == _ISO else [F.lit(log.time_format)]
    wanted = f"time of the format {log.time_format!r} (interactions.time_format)"
    return _Parsed(name, F.try_to_timestamp(F.trim(cell(name)), *pattern), wanted)


def _require_readable(frame: DataFrame, table: Table, columns: Sequence[_Parsed]) -> None:
    """Raise a `DataError` if the first rows of a column hold something, and none of it can be read."""
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
    for place, each in enumerate(columns):
        cells = [row[0][place] for row in rows if row[0][place][0] is not None]
        if cells and not any(is_read for _, is_read in cells):
            raise DataError(f"{table.file}: column {each.name!r} holds {cells[0][0]!r}, which is no {each.wanted}")


def _once(rows: DataFrame, timed: bool) -> DataFrame:
    """One row a (user, item), with its newest time; rows that the contract will reject stay apart, to be counted."""
    broken = F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull()
    broken = broken | F.col(c.TIMESTAMP).isNull() if timed else broken
    apart = F.when(broken, F.monotonically_increasing_id()).alias("_apart")
    together = rows.groupBy(c.USER_ID, c.ITEM_ID, c.RATING, apart).agg(F.max(c.TIMESTAMP).alias(c.TIMESTAMP))
    return together.select(*rows.columns)


def _facts(names: dict[str, str | None], genres: Column | None) -> list[Column]:
    kinds = {c.TITLE: "string", c.GENRES: "array<string>", c.YEAR: "int"}
    kinds |= {c.TYPE: "string", c.EPISODES: "int", c.MEAN_SCORE: "float"}
    found = {
        fact: (whole_number if kinds[fact] == "int" else number)(name, kinds[fact])
        for fact, name in names.items()
        if name
    }
    found |= {c.GENRES: genres} if genres is not None else {}
    return [found.get(fact, F.lit(None).cast(kind)).alias(fact) for fact, kind in kinds.items()]


def _genres(frame: DataFrame, name: str, separator: str) -> Column:
    if frame.schema[name].dataType.simpleString().startswith("array"):
        return cell(name)
    return F.split(cell(name), F.lit(f"\\Q{separator}\\E"))
