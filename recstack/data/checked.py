"""Rows that keep the contract, with the others counted by reason while the rows are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType, TimestampType

from recstack.data.reading.log import ROW_NUMBER

REASON: Final = "rejected"
"""Column that holds the reason for which a row is rejected; null where there is none."""
REPEATED: Final = "repeated"
"""A row whose key an earlier one has: it is kept once, and that is no loss."""


@dataclass(frozen=True)
class Counts:
    """How many rows of a table were read, kept and rejected."""

    read: int
    kept: int
    repeated: int
    rejected: dict[str, int]
    """Rows by reason, of the reasons that occurred."""
    first: dict[str, dict[str, Any]]
    """For each of these reasons a row of it, times as text: the first of its file, where the rows are numbered."""
    facts: dict[str, Any]
    """What was observed of the rows that were kept."""


@dataclass(frozen=True)
class Checked:
    """Rows of a table that keep the contract, and the number of those that don't."""

    table: str
    """Name for messages."""
    rows: DataFrame
    reasons: tuple[str, ...]
    """All reasons for which a row can be rejected."""
    tally: Observation
    """Filled while `rows` is computed."""
    observed: tuple[str, ...] = field(default=())
    """Names of the facts."""

    def counts(self) -> Counts:
        """What became of the rows.

        They are counted while `rows` is computed, so that the data is read once: call this after the first action on
        `rows`; that action must not be a `limit`.
        """
        tally = self.tally.get
        rejected = {reason: tally[reason] for reason in self.reasons if tally[reason]}
        first = {reason: tally[f"first_{reason}"].asDict() for reason in rejected}
        kept = tally["read"] - sum(rejected.values()) - tally[REPEATED]
        facts = {name: tally[name] for name in self.observed}
        return Counts(tally["read"], kept, tally[REPEATED], rejected, first, facts)

    def schema(self) -> dict[str, str]:
        """Type of each column."""
        return {each.name: each.dataType.simpleString() for each in self.rows.schema}


def by_reason(rejected: Mapping[str, int]) -> str:
    """The rejected rows in words, such as "null_id: 3, orphan_item: 1,024"."""
    return ", ".join(f"{reason}: {count:,}" for reason, count in rejected.items())


def without_rejected(
    marked: DataFrame,
    table: str,
    key: list[Column],
    order: list[Column],
    reasons: tuple[str, ...],
    schema: StructType,
    facts: Mapping[str, Column] | None = None,
) -> Checked:
    """Leave out rejected rows and repeated keys, and count both.

    Args:
        marked: the columns of `schema`, `REASON`, and perhaps `ROW_NUMBER`.
        table: name for messages.
        key: columns that identify a row.
        order: which of several rows of one key is kept: the first.
        reasons: all values of `REASON`.
        schema: of the result.
        facts: aggregates of the rows that are kept, to observe; null in other rows is left out.
    """
    rank = F.row_number().over(Window.partitionBy(*key).orderBy(F.col(REASON).asc_nulls_first(), *order))
    reason = F.coalesce(REASON, F.when(rank > 1, F.lit(REPEATED))).alias(REASON)
    tally = Observation()
    counts = [F.count_if(F.col(REASON) == name).alias(name) for name in (*reasons, REPEATED)]
    numbered = [ROW_NUMBER] if ROW_NUMBER in marked.columns else []
    cells = [_printable(each) for each in schema]
    by_row = F.struct(*numbered, *cells)
    examples = [F.min(F.when(F.col(REASON) == name, by_row)).alias(f"first_{name}") for name in reasons]
    observed = [column.alias(name) for name, column in (facts or {}).items()]
    rows = (
        marked.select(*schema.names, *numbered, reason)
        .observe(tally, F.count(F.lit(1)).alias("read"), *counts, *examples, *observed)
        .where(F.col(REASON).isNull())
        .select(*schema.names)
    )
    return Checked(table, rows, reasons, tally, tuple(facts or {}))


def _printable(field: StructField) -> Column:
    """A column as Python can hold it: its times end at the years 1 and 9999."""
    return (
        F.col(field.name).cast("string").alias(field.name) if field.dataType == TimestampType() else F.col(field.name)
    )
