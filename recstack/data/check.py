"""Checks tables that an adapter read against the contract, in Spark."""

from datetime import UTC, date, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from recstack import columns as c
from recstack.data.checked import REASON, Checked, without_rejected
from recstack.data.contract import INTERACTIONS, ITEMS, MAX_ITEM_ID, PAIRS
from recstack.data.reading.log import ROW_NUMBER
from recstack.data.timestamps import DAY, EARLIEST, MOST_AHEAD, UNKNOWN_DAYS, UNKNOWN_SECONDS
from recstack.errors import DataError


def check_interactions(
    interactions: DataFrame,
    items: DataFrame,
    *,
    rating_min: float,
    rating_max: float,
    has_timestamps: bool,
    now: datetime | None = None,
) -> Checked:
    """Check interactions against the contract.

    Args:
        interactions: the columns and types of `INTERACTIONS`, as an adapter read them, and perhaps `ROW_NUMBER`.
        items: the checked catalogue.
        rating_min: smallest rating of the dataset, inclusive.
        rating_max: largest rating, inclusive.
        has_timestamps: whether a null timestamp is an error.
        now: when the ingest runs, after which nothing can have happened; None takes the clock's time.

    Returns:
        `INTERACTIONS`, partitioned by user and sorted by (user, item) within a partition.

    Raises:
        TypeError: the frame is not of the schema `INTERACTIONS`.
    """
    _conform(interactions, INTERACTIONS, "interactions")
    rating, timestamp, known = F.col(c.RATING), F.col(c.TIMESTAMP), "in_catalogue"
    latest = (now or datetime.now(UTC)) + MOST_AHEAD
    stands_for_unknown = F.unix_seconds(timestamp).isin(*UNKNOWN_SECONDS)
    stands_for_unknown |= F.floor(F.unix_seconds(timestamp) / DAY).isin(*map(_day_number, UNKNOWN_DAYS))
    wrong = {
        "null_id": F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull(),
        "id_out_of_range": (F.col(c.USER_ID) < 0) | ~F.col(c.ITEM_ID).between(0, MAX_ITEM_ID),
        "null_rating": rating.isNull() | F.isnan(rating),
        "rating_out_of_range": ~rating.between(_single(rating_min), _single(rating_max)),
        "null_timestamp": timestamp.isNull() if has_timestamps else F.lit(False),
        "unknown_timestamp": stands_for_unknown,
        "timestamp_out_of_range": F.unix_seconds(timestamp) < EARLIEST,
        "future_timestamp": F.unix_seconds(timestamp) > int(latest.timestamp()),
        "orphan_item": F.col(known).isNull(),
    }
    catalogue = items.select(c.ITEM_ID, F.lit(True).alias(known))
    marked = (
        interactions.join(catalogue, on=c.ITEM_ID, how="left")
        .select(*INTERACTIONS.names, *_row_number(interactions), _first(wrong).alias(REASON))
        .repartition(c.USER_ID)
    )
    ends = {"rating": rating, "second": F.unix_seconds(timestamp)}
    kept = {name: F.when(F.col(REASON).isNull(), column) for name, column in ends.items()}
    facts = {f"lowest_{name}": F.min(column) for name, column in kept.items()}
    facts |= {f"highest_{name}": F.max(column) for name, column in kept.items()}
    key = [F.col(c.USER_ID), F.col(c.ITEM_ID), F.unix_seconds(timestamp)]
    newest = [timestamp.desc_nulls_last(), rating.desc()]
    return without_rejected(marked, "interactions", key, newest, tuple(wrong), INTERACTIONS, facts)


def check_items(items: DataFrame) -> Checked:
    """Check the catalogue against the contract and repair what can be repaired.

    Args:
        items: the columns and types of `ITEMS`, as an adapter read them, and perhaps `ROW_NUMBER`.

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
        *_row_number(items),
        _first(wrong).alias(REASON),
    )
    order = [F.col(name).asc_nulls_last() for name in ITEMS.names[1:]]
    return without_rejected(marked, "items", [F.col(c.ITEM_ID)], order, tuple(wrong), ITEMS)


def check_pairs(pairs: DataFrame, table: str) -> DataFrame:
    """Check the test rows or the negatives supplied with a dataset, and leave out repeated pairs.

    No bad row is left out: that would change the figures that others published for these files.

    Returns:
        `PAIRS`.

    Raises:
        TypeError: the frame is not of the schema `PAIRS`.
        DataError: a row has no user or no item.
    """
    _conform(pairs, PAIRS, table)
    if unreadable := pairs.where(F.col(c.USER_ID).isNull() | F.col(c.ITEM_ID).isNull()).count():
        raise DataError(f"the {table} table has {unreadable:,} rows without a user or an item: the file is damaged")
    return pairs.distinct()


def _day_number(day: str) -> int:
    """Days since 1970-01-01."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()


def _single(number: float) -> Column:
    """A number as ratings are stored: 0.7 itself is above the 32-bit number next to it."""
    return F.lit(number).cast("float")


def _row_number(frame: DataFrame) -> list[Column]:
    return [F.col(ROW_NUMBER)] if ROW_NUMBER in frame.columns else []


def _conform(frame: DataFrame, schema: StructType, table: str) -> None:
    expected = {field.name: field.dataType.simpleString() for field in schema}
    found = {field.name: field.dataType.simpleString() for field in frame.schema if field.name != ROW_NUMBER}
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
