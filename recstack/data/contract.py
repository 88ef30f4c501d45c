"""What every dataset must look like before anything is computed from it, checked by Spark.

Interactions:

| column       | type          | rule                                          | where it is broken    |
|--------------|---------------|-----------------------------------------------|-----------------------|
| user_id      | long          | 0 or more                                     | row rejected          |
| item_id      | long          | 0..2^32-1, as 32-bit roaring bitmaps hold it; | row rejected          |
|              |               | it is in the catalogue                        | row rejected          |
| rating       | float         | a number within the dataset's range           | row rejected          |
| timestamp    | timestamp     | UTC; null only if the dataset has no times    | row rejected          |
| user, item   |               | once; the newest is kept, then the highest    | older rows rejected   |

Items:

| column       | type          | rule                                          | where it is broken    |
|--------------|---------------|-----------------------------------------------|-----------------------|
| item_id      | long          | 0..2^32-1; once, the first by title is kept   | row rejected          |
| title        | string        | not blank                                     | becomes "item <id>"   |
| genres       | array<string> | trimmed, lower case, distinct, sorted         | repaired              |
| year         | int           | above 0, or null                              | becomes null          |
| type         | string        | not blank, or null                            | becomes null          |
| episodes     | int           | above 0, or null                              | becomes null          |
| mean_score   | float         | a number, or null                             | becomes null          |

Rejected rows are counted by reason. A missing file, a missing column, a column of the wrong type, an unreadable file,
a table without any row, or one that loses more than half of its rows is a `DataError`: no result would be trustworthy.
"""

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from recstack import columns as c
from recstack.errors import DataError

INTERACTIONS = StructType(
    [
        StructField(c.USER_ID, LongType()),
        StructField(c.ITEM_ID, LongType()),
        StructField(c.RATING, FloatType()),
        StructField(c.TIMESTAMP, TimestampType()),
    ]
)

ITEMS = StructType(
    [
        StructField(c.ITEM_ID, LongType()),
        StructField(c.TITLE, StringType()),
        StructField(c.GENRES, ArrayType(StringType())),
        StructField(c.YEAR, IntegerType()),
        StructField(c.TYPE, StringType()),
        StructField(c.EPISODES, IntegerType()),
        StructField(c.MEAN_SCORE, FloatType()),
    ]
)

PAIRS = StructType([StructField(c.USER_ID, LongType()), StructField(c.ITEM_ID, LongType())])

MAX_ITEM_ID = 2**32 - 1

_REASON = "rejected"


@dataclass(frozen=True)
class Checked:
    """Rows that keep the contract, and the count of those that don't."""

    table: str
    rows: DataFrame
    reasons: tuple[str, ...]
    tally: Observation

    def counts(self) -> tuple[int, dict[str, int]]:
        """Number of rows kept, and of rows rejected by reason (reasons that occurred).

        They are counted while `rows` is computed, so that the data is read once: call this after the first action on
        `rows`, which must not be a `limit`.

        Raises:
            DataError: no row was read or kept, or more than half were rejected.
        """
        tally = self.tally.get
        rejected = {reason: tally[reason] for reason in self.reasons if tally[reason]}
        read, lost = tally["read"], sum(rejected.values())
        if read == 0:
            raise DataError(f"the {self.table} table is empty: nothing was left to read in the source files")
        if 2 * lost > read:
            why = ", ".join(f"{reason}: {count:,}" for reason, count in rejected.items())
            raise DataError(
                f"the {self.table} table loses {lost:,} of its {read:,} rows ({why}); more than half means that the "
                "files are not what this dataset expects, so nothing was written: compare them with its description"
            )
        return read - lost, rejected


def check_interactions(
    interactions: DataFrame, items: DataFrame, *, rating_min: float, rating_max: float, has_timestamps: bool
) -> Checked:
    """Check interactions against the contract.

    Args:
        interactions: the columns and types of `INTERACTIONS`, as an adapter read them.
        items: the checked catalogue.
        rating_min: smallest rating of the dataset, inclusive.
        rating_max: largest rating, inclusive.
        has_timestamps: whether a null timestamp is an error.

    Returns:
        `INTERACTIONS`, partitioned by user and sorted by (user, item) within a partition.

    Raises:
        TypeError: the frame is not of the schema `INTERACTIONS`.
    """
    _conform(interactions, INTERACTIONS, "interactions")
    rating, known = F.col(c.RATING), "in_catalogue"
    wrong = {
        "null_id": F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull(),
        "id_out_of_range": (F.col(c.USER_ID) < 0) | ~F.col(c.ITEM_ID).between(0, MAX_ITEM_ID),
        "null_rating": rating.isNull() | F.isnan(rating),
        "rating_out_of_range": ~rating.between(rating_min, rating_max),
        "null_timestamp": F.col(c.TIMESTAMP).isNull() if has_timestamps else F.lit(False),
        "orphan_item": F.col(known).isNull(),
    }
    catalogue = items.select(c.ITEM_ID, F.lit(True).alias(known))
    marked = (
        interactions.join(catalogue, on=c.ITEM_ID, how="left")
        .select(*INTERACTIONS.names, _first(wrong).alias(_REASON))
        .repartition(c.USER_ID)
    )
    newest = [F.col(c.TIMESTAMP).desc_nulls_last(), rating.desc()]
    return _tallied(marked, "interactions", [c.USER_ID, c.ITEM_ID], newest, tuple(wrong), INTERACTIONS)


def check_items(items: DataFrame) -> Checked:
    """Check the catalogue against the contract and repair what can be repaired.

    Args:
        items: the columns and types of `ITEMS`, as an adapter read them.

    Returns:
        `ITEMS`.

    Raises:
        TypeError: the frame is not of the schema `ITEMS`.
    """
    _conform(items, ITEMS, "items")
    wrong = {
        "null_id": F.col(c.ITEM_ID).isNull(),
        "id_out_of_range": ~F.col(c.ITEM_ID).between(0, MAX_ITEM_ID),
    }
    unnamed = F.concat(F.lit("item "), F.col(c.ITEM_ID))
    marked = items.select(
        c.ITEM_ID,
        F.coalesce(_text(c.TITLE), unnamed).alias(c.TITLE),
        _clean_genres(F.col(c.GENRES)).alias(c.GENRES),
        _positive(c.YEAR).alias(c.YEAR),
        _text(c.TYPE).alias(c.TYPE),
        _positive(c.EPISODES).alias(c.EPISODES),
        F.when(~F.isnan(c.MEAN_SCORE), F.col(c.MEAN_SCORE)).alias(c.MEAN_SCORE),
        _first(wrong).alias(_REASON),
    )
    order = [F.col(name).asc_nulls_last() for name in ITEMS.names[1:]]
    return _tallied(marked, "items", [c.ITEM_ID], order, tuple(wrong), ITEMS)


def check_pairs(pairs: DataFrame, table: str) -> DataFrame:
    """Check the test rows or the negatives that a dataset brings along: `PAIRS`, each once.

    Raises:
        TypeError: the frame is not of the schema `PAIRS`.
        DataError: a row can't be read. One that was left out would change what others have measured on these files.
    """
    _conform(pairs, PAIRS, table)
    if unreadable := pairs.where(F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull()).count():
        raise DataError(f"the {table} table has {unreadable:,} rows without a user or an item: the file is damaged")
    return pairs.distinct()


def _tallied(
    marked: DataFrame, table: str, key: list[str], order: list[Column], reasons: tuple[str, ...], schema: StructType
) -> Checked:
    """Mark all but the first row of each key as duplicates, count by reason, and let the rest through."""
    rank = F.row_number().over(Window.partitionBy(*key).orderBy(F.col(_REASON).asc_nulls_first(), *order))
    reason = F.coalesce(_REASON, F.when(rank > 1, F.lit("duplicate"))).alias(_REASON)
    reasons = (*reasons, "duplicate")
    tally = Observation()
    counts = [F.count_if(F.col(_REASON) == name).alias(name) for name in reasons]
    rows = (
        marked.select(*schema.names, reason)
        .observe(tally, F.count(F.lit(1)).alias("read"), *counts)
        .where(F.col(_REASON).isNull())
        .select(*schema.names)
    )
    return Checked(table, rows, reasons, tally)


def _conform(frame: DataFrame, schema: StructType, table: str) -> None:
    expected = {field.name: field.dataType.simpleString() for field in schema}
    found = {field.name: field.dataType.simpleString() for field in frame.schema}
    if found != expected:
        raise TypeError(f"the adapter's {table} must have the columns {expected}, but have {found}")


def _first(wrong: dict[str, Column]) -> Column:
    return F.coalesce(*(F.when(condition, F.lit(reason)) for reason, condition in wrong.items()))


def _text(name: str) -> Column:
    return F.nullif(F.trim(name), F.lit(""))


def _positive(name: str) -> Column:
    return F.when(F.col(name) > 0, F.col(name))


def _clean_genres(genres: Column) -> Column:
    names = F.transform(F.coalesce(genres, F.array().cast("array<string>")), lambda genre: F.lower(F.trim(genre)))
    return F.array_sort(F.array_distinct(F.filter(names, lambda genre: genre != "")))


def summary(checked: Checked) -> dict[str, Any]:
    """Schema, rows and rejections of a checked table, for a manifest; see `Checked.counts`."""
    kept, rejected = checked.counts()
    schema = {field.name: field.dataType.simpleString() for field in checked.rows.schema}
    return {"rows": kept, "rejected": rejected, "schema": schema}
