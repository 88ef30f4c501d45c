"""Rows that keep the contract, with the others counted by reason while the rows are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from recstack.errors import DataError

REASON: Final = "rejected"
"""Column that holds the reason for which a row is rejected; null where there is none."""


@dataclass(frozen=True)
class Checked:
    """Rows of a table that keep the contract, and the number of those that don't."""

    table: str
    """Name for messages."""
    rows: DataFrame
    reasons: tuple[str, ...]
    """All reasons for which a row can be rejected."""
    advice: Mapping[str, str]
    """What to do where most rows are rejected for a reason; the others get a general sentence."""
    tally: Observation
    """Filled while `rows` is computed: "read", and the rows rejected for each reason."""

    def counts(self) -> tuple[int, dict[str, int]]:
        """Number of rows kept, and the number of rows rejected for each reason that occurred.

        They are counted while `rows` is computed, so that the data is read once: call this after the first action on
        `rows`; that action must not be a `limit`.

        Raises:
            DataError: no row was read or kept, or more than half were rejected.
        """
        tally = self.tally.get
        rejected = {reason: tally[reason] for reason in self.reasons if tally[reason]}
        read, lost = tally["read"], sum(rejected.values())
        if read == 0:
            raise DataError(f"the {self.table} table is empty: the source files hold no rows")
        if 2 * lost > read:
            advice = self.advice.get(
                max(rejected, key=rejected.__getitem__),
                "more than half means that the files are not what this dataset expects, so nothing was written: compare"
                " them with its description",
            )
            raise DataError(
                f"the {self.table} table loses {lost:,} of its {read:,} rows ({by_reason(rejected)}); {advice}"
            )
        return read - lost, rejected

    def summary(self) -> dict[str, Any]:
        """Schema, rows and rejected rows for a manifest; see `counts`."""
        kept, rejected = self.counts()
        schema = {field.name: field.dataType.simpleString() for field in self.rows.schema}
        return {"rows": kept, "rejected": rejected, "schema": schema}


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
    advice: Mapping[str, str] | None = None,
) -> Checked:
    """Leave out rejected rows and repeated keys, and count both by reason.

    Args:
        marked: the columns of `schema`, and `REASON`.
        table: name for messages.
        key: columns that identify a row.
        order: which of several rows of one key is kept: the first.
        reasons: all values of `REASON`.
        schema: of the result.
        advice: see `Checked`.
    """
    rank = F.row_number().over(Window.partitionBy(*key).orderBy(F.col(REASON).asc_nulls_first(), *order))
    reason = F.coalesce(REASON, F.when(rank > 1, F.lit("duplicate"))).alias(REASON)
    reasons = (*reasons, "duplicate")
    tally = Observation()
    counts = [F.count_if(F.col(REASON) == name).alias(name) for name in reasons]
    rows = (
        marked.select(*schema.names, reason)
        .observe(tally, F.count(F.lit(1)).alias("read"), *counts)
        .where(F.col(REASON).isNull())
        .select(*schema.names)
    )
    return Checked(table, rows, reasons, advice or {}, tally)
