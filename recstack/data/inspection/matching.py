"""Which column plays a role: by its name, if its contents fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from recstack.data.inspection.columns import Column
from recstack.data.inspection.names import WORDS, weight_of, words_of
from recstack.data.inspection.tables import TableSample

_HALF: Final = 0.5
"""Share of numbers from which a column may hold ratings, if its name says so."""


@dataclass(frozen=True)
class Role:
    """A column that plays a role, why, and what else may play it."""

    column: Column
    reason: str
    others: tuple[str, ...] = ()
    sure: bool = True


def by_name(role: str, columns: Sequence[Column], fits: Callable[[Column], bool]) -> Role | None:
    """The column whose name says this role best, among those whose contents fit."""
    ranks = {}
    for position, column in enumerate(columns):
        words = words_of(column.name)
        named = [rank for rank, word in enumerate(WORDS[role]) if word in words]
        if named and fits(column):
            # A name that is the word, or the word and "id", is surer than one that holds it.
            whole = words[-1] in WORDS[role]
            rank = WORDS[role].index(words[-1]) if whole else named[0]
            extra = 0 if whole else len(set(words[:-1]) - {"id", WORDS[role][rank]})
            pattern = column.time is not None and " " in column.time.format  # a number is the finer time
            ranks[column.name] = (extra > 1, rank + 3 * extra + 3 * pattern, position)
    if not ranks:
        return None
    best, *others = sorted(ranks, key=lambda name: ranks[name])
    column = next(each for each in columns if each.name == best)
    return Role(column, "by its name", tuple(others[:3]), sure=not others)


def free_columns(table: TableSample, taken: dict[str, Role]) -> list[Column]:
    """The columns that have no role yet."""
    return [each for each in table.columns if not is_taken(each, taken)]


def is_id(column: Column) -> bool:
    """Whether a column may hold ids."""
    if column.kind == "decimal":  # 42.0, as pandas writes whole numbers if one is missing
        return all(value.rstrip("0").endswith(".") for value in column.values)
    return column.kind in ("whole", "text", "marked items", "items") or (column.kind == "list" and column.typed is None)


def is_row_number(column: Column) -> bool:
    """Whether a column counts the rows, or names each of them."""
    return column.kind == "whole" and column.unique and column.cells >= 5


def is_event(column: Column) -> bool:
    """Whether a column holds few words, most of them kinds of events."""
    known = [value for value in column.values if weight_of(value) is not None]
    return column.kind in ("text", "list") and 1 <= column.distinct <= 20 and 2 * len(known) >= column.distinct


def is_rating(column: Column) -> bool:
    """Whether a column may hold ratings on a scale."""
    if column.kind == "switch":
        return True
    if column.numeric < _HALF or column.high is None or column.low is None:
        return False
    return column.distinct <= 201 and -10 <= column.low and column.high <= 100


def is_year(column: Column) -> bool:
    """Whether a column may hold years."""
    return column.kind in ("whole", "decimal") and column.high is not None and column.high < 10_000


def holds_addresses(column: Column) -> bool:
    """Whether most values are addresses of web pages."""
    return sum(value.startswith(("http://", "https://")) for value in column.values) > len(column.values) / 2


def is_taken(column: Column, taken: dict[str, Role]) -> bool:
    """Whether a column has a role."""
    return any(role.column.name == column.name for role in taken.values())
