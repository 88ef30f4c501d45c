"""Roles of the columns of a log: users, items, ratings, kinds of events, times."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from recstack.data.inspection.columns import Column
from recstack.data.inspection.matching import Role, by_name, free_columns, is_event, is_id, is_rating, is_row_number
from recstack.data.inspection.names import EVENT, ITEM, RATING, STRENGTH, TIME, USER, event_words
from recstack.data.inspection.tables import TableSample

_BLANK: Final = 0.01
"""Share of empty cells above which another column of ids is better."""


class Doubt(NamedTuple):
    """A column whose name says a role that its cells don't."""

    role: str
    column: Column


def log_roles(table: TableSample) -> dict[str, Role]:
    """Roles of the columns of a log, by names and contents; a role that no column fits is left out."""
    taken: dict[str, Role] = {}
    choices: list[tuple[str, Callable[[Column], bool]]] = [
        (TIME, lambda each: each.time is not None),
        (USER, is_id),
        (EVENT, is_event),
        (RATING, is_rating),
        (STRENGTH, lambda each: each.is_number and (each.low or 0) >= 0),
        (ITEM, is_id),
    ]
    for role, fits in choices:
        if role == STRENGTH and (RATING in taken or EVENT in taken):
            continue
        if found := by_name(role, free_columns(table, taken), fits):
            taken[role] = found
    _fill_by_content(table, taken)
    if EVENT in taken and RATING in taken:  # a log has one of them; two kinds of events say less than a rating
        del taken[EVENT]
    return taken


def doubts_of_log(log: TableSample, of_log: dict[str, Role]) -> Iterator[Doubt]:
    """Columns named as ratings or times that were not taken for them."""
    rated = RATING in of_log or STRENGTH in of_log or EVENT in of_log
    for role in [RATING] * (not rated) + [TIME] * (TIME not in of_log):
        if named := by_name(role, free_columns(log, of_log), lambda each: each.kind != "empty"):
            yield Doubt(role, named.column)


def _fill_by_content(table: TableSample, taken: dict[str, Role]) -> None:
    """Give the roles that no name gave to columns whose contents fit."""
    if TIME not in taken and (times := [each for each in free_columns(table, taken) if each.time and each.time.sure]):
        best = max(times, key=lambda each: each.distinct)
        others = tuple(each.name for each in times if each is not best)
        taken[TIME] = Role(best, "its cells are times", others)
    if table.dialect is not None and not table.dialect.header:
        _fill_strength(table, taken)
    for role in (USER, ITEM):
        if role not in taken and (ids := _ids(table, taken)):
            best, others = ids[0], tuple(each.name for each in ids[1:])
            reason = "the first column that may hold ids" if role == USER else "the next column that may hold ids"
            if role == ITEM and best.kind == "marked items":
                reason, others = "its cells hold several items", ()
            taken[role] = Role(best, reason, others, sure=False)


def _fill_strength(table: TableSample, taken: dict[str, Role]) -> None:
    """Kinds of events, ratings or counts in a file without names; they stand behind the ids."""
    free = free_columns(table, taken)
    behind = [each for each in free if each in table.columns[2:] and not is_row_number(each)]
    if events := [each for each in free if is_event(each) and each.values & event_words()]:
        taken[EVENT] = Role(events[0], "its words are kinds of events")
    elif scales := [each for each in behind if each.is_number and is_rating(each)]:
        best = min(scales, key=lambda each: (each.distinct == 1, each.distinct))
        span = "" if best.low is None else f", {best.low:g} to {best.high:g}"
        taken[RATING] = Role(best, f"few different numbers{span}", sure=False)
    elif counts := [each for each in behind if each.kind == "whole" and (each.low or 0) >= 0 and each.low != each.high]:
        if sum(each.kind == "text" for each in free) >= 2:
            taken[STRENGTH] = Role(counts[0], "numbers beside two columns of words", sure=False)


def _ids(table: TableSample, taken: dict[str, Role]) -> list[Column]:
    """Columns that may hold ids, the likeliest first: neither numbers of rows nor decimals, if there are others."""
    found = [each for each in free_columns(table, taken) if is_id(each) and not is_row_number(each)]
    marked = [each for each in found if each.kind == "marked items"] if USER in taken else []
    others = [each for each in found if each not in marked]
    return marked + sorted(others, key=lambda each: (each.kind == "decimal", each.blank > _BLANK))
