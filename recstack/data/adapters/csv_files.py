"""Any log of a team's own, without code: `mapping.toml` says which column of which file means what."""

from pathlib import Path
from typing import ClassVar, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls
from recstack.data.adapters.csv_columns import (
    fact_columns,
    id_column,
    rating_column,
    require_readable,
    timestamp_column,
)
from recstack.data.adapters.mapping import FILE, read_mapping
from recstack.data.adapters.mapping_tables import Table
from recstack.data.adapters.reading import read_delimited, read_parquet
from recstack.data.contract import ITEMS
from recstack.data.traits import Traits

_CELL: Final = "number or text"


class CSVFiles(Dataset):
    """`mapping.toml` and the files that it names; see `mapping.Mapping` and docs/adding-a-dataset.md."""

    name: ClassVar[str] = "csv"
    licence: ClassVar[str] = "your own"

    def files(self, source: Path) -> list[Path]:
        """The mapping, and the files that it names."""
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
            rating_max=(scale.max or scale.positive_from) if scale else 1.0,
            positive_from=scale.positive_from if scale else 1.0,
            has_timestamps=mapping.interactions.time is not None,
            text_ids=bool(mapping.text_ids),
        )

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Rows as they are; of a log without ratings, one of several that are all the same."""
        mapping = read_mapping(source)
        log = mapping.interactions
        kinds = {log.user: _CELL, log.item: _CELL}
        kinds |= {name: _CELL for name in [log.rating] if name}
        kinds |= {name: f"{_CELL} or time" for name in [log.time] if name}
        frame = _read(spark, source, log, kinds)
        user, item = id_column(log.user, "user", mapping), id_column(log.item, "item", mapping)
        rating = rating_column(log.rating) if log.rating else None
        timestamp = timestamp_column(frame, log, log.time) if log.time else None
        require_readable(frame, log, [each for each in (user, item, rating, timestamp) if each])
        rows = frame.select(
            user.value.alias(c.USER_ID),
            item.value.alias(c.ITEM_ID),
            (rating.value if rating else F.lit(1.0).cast("float")).alias(c.RATING),
            timestamp.value.alias(c.TIMESTAMP) if timestamp else nulls(c.TIMESTAMP)[0],
        )
        return rows if log.rating else _distinct(rows, has_timestamps=log.time is not None)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue; without one, the items of the interactions by their ids alone."""
        mapping = read_mapping(source)
        items = mapping.items
        if items is None:
            ids = self.read_interactions(spark, source).select(c.ITEM_ID).distinct()
            return ids.where(F.col(c.ITEM_ID).isNotNull()).select(c.ITEM_ID, *nulls(*ITEMS.names[1:]))
        names = (items.item, items.title, items.year, items.type, items.episodes, items.mean_score)
        kinds = {name: _CELL for name in names if name}
        kinds |= {name: "text or texts" for name in [items.genres] if name}
        frame = _read(spark, source, items, kinds)
        item = id_column(items.item, "item", mapping)
        require_readable(frame, items, [item])
        return frame.select(item.value.alias(c.ITEM_ID), *fact_columns(frame, items))


def _read(spark: SparkSession, source: Path, table: Table, kinds: dict[str, str]) -> DataFrame:
    path = source / table.file
    if table.file.endswith(".parquet"):
        return read_parquet(spark, path, kinds)
    separator = table.separator or ("\t" if ".tsv" in path.suffixes else ",")
    quote = table.quote
    if quote is None:
        quote = "" if separator == "\t" or len(separator) > 1 else '"'
    return read_delimited(
        spark, path, list(kinds), separator, names=table.columns, encoding=table.encoding or "utf-8", quote=quote
    )


def _distinct(rows: DataFrame, has_timestamps: bool) -> DataFrame:
    """One of several rows that are all the same; rows that the contract rejects stay apart, to be counted."""
    broken = F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull()
    broken = broken | F.col(c.TIMESTAMP).isNull() if has_timestamps else broken
    apart = "_apart"
    marked = rows.withColumn(apart, F.when(broken, F.monotonically_increasing_id()))
    return marked.dropDuplicates([*rows.columns, apart]).select(*rows.columns)
