"""Any log of a team's own, without code: `mapping.toml` says which column of which file means what."""

from pathlib import Path
from typing import ClassVar, Final

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.errors import DataError
from recstack.interactions.base import Dataset
from recstack.interactions.mapping import FILE, Log, Table, read_mapping
from recstack.interactions.tables import epoch_seconds, number, read_delimited, read_parquet
from recstack.interactions.traits import Traits

_TICKS: Final = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_ISO: Final = "iso"
_FIRST_ROWS = 100
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
        kinds = {log.user: "number or text", log.item: "number or text"}
        kinds |= {name: "number or text" for name in [log.rating] if name}
        kinds |= {name: "number or text or time" for name in [log.time] if name}
        frame = _read(spark, source, log, kinds)
        rows = frame.select(
            _id(frame, log, log.user, "user" in mapping.text_ids, "user").alias(c.USER_ID),
            _id(frame, log, log.item, "item" in mapping.text_ids, "item").alias(c.ITEM_ID),
            (_parsed(frame, log, log.rating, number(log.rating, "float"), "number") if log.rating else F.lit(1.0))
            .cast("float")
            .alias(c.RATING),
            (_moment(frame, log, log.time) if log.time else F.lit(None).cast("timestamp")).alias(c.TIMESTAMP),
        )
        return rows if log.rating else _once(rows, timed=log.time is not None)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue, or the items of the interactions by their ids alone."""
        mapping = read_mapping(source)
        items = mapping.items
        named = "item" in mapping.text_ids
        if items is None:
            log = mapping.interactions
            ids = _read(spark, source, log, {log.item: "number or text"})
            rows = ids.select(_id(ids, log, log.item, named, "item").alias(c.ITEM_ID)).distinct()
            return rows.where(F.col(c.ITEM_ID).isNotNull()).select(c.ITEM_ID, *_facts({}, None))
        cells = {items.item: "number or text"}
        cells |= {name: "number or text" for name in (items.title, items.type) if name}
        cells |= {name: "number or text" for name in (items.year, items.episodes, items.mean_score) if name}
        cells |= {name: "text or texts" for name in [items.genres] if name}
        frame = _read(spark, source, items, cells)
        names = {c.TITLE: items.title, c.YEAR: items.year, c.TYPE: items.type}
        names |= {c.EPISODES: items.episodes, c.MEAN_SCORE: items.mean_score}
        genres = _genres(frame, items.genres, items.genre_separator) if items.genres else None
        return frame.select(_id(frame, items, items.item, named, "item").alias(c.ITEM_ID), *_facts(names, genres))


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


def _id(frame: DataFrame, table: Table, name: str, is_text: bool, kind: str) -> Column:
    if is_text:
        return F.nullif(F.trim(F.col(name).cast("string")), F.lit(""))
    hint = f'whole number; if the ids are words, write text_ids = ["{kind}"] at the top of {FILE}'
    return _parsed(frame, table, name, number(name, "bigint"), hint)


def _moment(frame: DataFrame, log: Log, name: str) -> Column:
    type_ = frame.schema[name].dataType.simpleString()
    if type_.startswith(("timestamp", "date")):
        return F.col(name).cast("timestamp")
    if log.time_format in _TICKS:
        return _parsed(frame, log, name, epoch_seconds(name, _TICKS[log.time_format]), f"number of {log.time_format}")
    if type_ != "string":
        units = '", "'.join(_TICKS)
        raise DataError(f'{log.file}: column {name!r} holds numbers: set interactions.time_format to "{units}"')
    pattern = [] if log.time_format == _ISO else [F.lit(log.time_format)]
    moment = F.try_to_timestamp(F.trim(name), *pattern)
    return _parsed(frame, log, name, moment, f"time of the format {log.time_format!r} (interactions.time_format)")


def _parsed(frame: DataFrame, table: Table, name: str, value: Column, wanted: str) -> Column:
    """`value`, unless it is null wherever the first rows hold something."""
    first = frame.where(F.col(name).isNotNull()).limit(_FIRST_ROWS)
    try:
        rows = first.select(F.col(name).alias("cell"), value.isNotNull().alias("read")).collect()
    except PySparkException as error:
        if "FAILED_READ_FILE" in str(error):
            raise
        raise DataError(f"{table.file}: column {name!r} can't be read as {wanted}: {error}") from None
    if rows and not any(row["read"] for row in rows):
        raise DataError(f"{table.file}: column {name!r} holds {rows[0]['cell']!r}, which is no {wanted}")
    return value


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
    found = {fact: number(name, kinds[fact]) for fact, name in names.items() if name}
    found |= {c.GENRES: genres} if genres is not None else {}
    return [found.get(fact, F.lit(None).cast(kind)).alias(fact) for fact, kind in kinds.items()]


def _genres(frame: DataFrame, name: str, separator: str) -> Column:
    if frame.schema[name].dataType.simpleString().startswith("array"):
        return F.col(name)
    return F.split(name, F.lit(f"\\Q{separator}\\E"))
