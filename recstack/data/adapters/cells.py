"""Columns of source files as the types that the contract wants; cells that can't be read become null."""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from recstack.data.contract import INTERACTIONS, ITEMS

_WHOLE: Final = ("int", "bigint")
_YEAR_2100: Final = 4_102_444_800
_YEAR_1840: Final = -_YEAR_2100


def cell(name: str) -> Column:
    """A column by its name in the file, in which a dot is a dot and not a field of a struct."""
    return F.col(f"`{name.replace('`', '``')}`")


def number(name: str, kind: str) -> Column:
    """A column as a Spark type such as "bigint"; null where it is no such number.

    12.7 is no whole number: Spark would make 12 of it, and one user of two.
    """
    value = cell(name).try_cast(kind)
    if kind not in _WHOLE:
        return value
    real = cell(name).try_cast("double")
    return F.when(real == F.floor(real), value)


def whole_number(name: str, kind: str) -> Column:
    """As `number`, for "int" or "bigint", but 42.0 is 42: pandas writes whole numbers so if one is missing."""
    real = number(name, "double")
    return F.coalesce(number(name, kind), F.when(real == F.floor(real), real.try_cast(kind)))


def epoch_seconds(name: str, ticks: int = 1) -> Column:
    """A column of seconds since 1970 as a timestamp; null outside 1840..2100, such as milliseconds read as seconds.

    Args:
        name: of the column.
        ticks: units of the column in a second, 1000 for milliseconds.
    """
    seconds = number(name, "double") / ticks
    return F.timestamp_seconds(F.when(seconds.between(_YEAR_1840, _YEAR_2100), seconds))


def nulls(*names: str) -> list[Column]:
    """Null columns for what a source does not have.

    Args:
        names: columns of `contract.INTERACTIONS` or `contract.ITEMS`, which give the types.
    """
    types = {field.name: field.dataType for field in [*INTERACTIONS, *ITEMS]}
    return [F.lit(None).cast(types[name]).alias(name) for name in names]
