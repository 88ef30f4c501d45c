"""The catalogue and the table of users: tables that know the ids of a log."""

from collections.abc import Sequence
from typing import Final

from recstack.data.inspection.columns import Column
from recstack.data.inspection.matching import Role, by_name, free_columns, holds_addresses, is_id, is_year
from recstack.data.inspection.names import (
    EPISODES,
    GENRES,
    ITEM,
    MEAN_SCORE,
    NO_GENRES,
    TITLE,
    TYPE,
    USER,
    WORDS,
    YEAR,
    words_of,
)
from recstack.data.inspection.tables import TableSample

_HALF: Final = 0.5
"""Share of numbers in a column of numbers."""
_PARTS: Final = 1_000
"""Most genres of a column whose name is none of genres."""
_TYPES: Final = 50
"""Most types of items."""


def find_catalogue(item: Role | None, tables: Sequence[TableSample]) -> tuple[TableSample | None, dict[str, Role], str]:
    """The table that has a column of unique ids, most of which the log knows."""
    best: tuple[float, TableSample, Column] | None = None
    for table in tables:
        for column in table.columns:
            if item is None or column.kind in ("empty", "decimal", "time", "object"):
                continue
            shared = len(column.values & item.column.values) / max(1, min(column.distinct, item.column.distinct))
            named = any(word in WORDS[ITEM] for word in words_of(column.name))
            user = any(word in WORDS[USER] for word in words_of(column.name))
            score = shared + 0.3 * named + 0.2 * column.unique - 0.6 * user
            if score > 0.6 and (best is None or score > best[0]):
                best = score, table, column
    if best is None:
        return None, {}, ""
    _, table, column = best
    return table, item_roles(table, column), f"its column {column.name!r} holds ids of the log"


def find_users(user: Role | None, tables: Sequence[TableSample]) -> tuple[TableSample | None, Column | None]:
    """The table whose column of unique ids are users of the log, and that says more of them."""
    for table in tables:
        for column in table.columns:
            if user is not None and column.unique and len(table.columns) > 1:
                shared = len(column.values & user.column.values)
                named = any(word in WORDS[USER] for word in words_of(column.name))
                if shared > 0.5 * min(column.distinct, user.column.distinct) and (named or user.column.kind == "text"):
                    return table, column
    return None, None


def item_roles(table: TableSample, key: Column) -> dict[str, Role]:
    """Roles of the columns of a catalogue."""
    taken = {ITEM: Role(key, "")}
    for role, fits in (
        (TITLE, lambda each: each.kind in ("text", "list", "whole")),
        (GENRES, lambda each: each.kind in ("list", "text") and each.distinct < max(50, 0.9 * each.cells)),
        (YEAR, is_year),
        (TYPE, lambda each: each.kind == "text" and each.distinct <= _TYPES),
        (EPISODES, lambda each: each.numeric >= _HALF and not each.unique),
        (MEAN_SCORE, lambda each: each.numeric >= _HALF and (each.high or 0) <= 100),
    ):
        if found := by_name(role, free_columns(table, taken), fits):
            taken[role] = found
    if GENRES not in taken:
        lists = [
            each
            for each in free_columns(table, taken)
            if each.kind == "list" and each.parts < _PARTS and not NO_GENRES & set(words_of(each.name))
        ]
        if lists:
            best = max(lists, key=lambda each: each.cells - each.parts)
            taken[GENRES] = Role(best, "its cells are lists whose parts come back", sure=False)
    if GENRES not in taken and table.dialect is not None and not table.dialect.header:
        few = [
            each
            for each in free_columns(table, taken)
            if each.kind == "text" and 2 <= each.distinct <= 0.3 * each.cells
        ]
        if few:
            taken[GENRES] = Role(few[0], "few words that come back", tuple(each.name for each in few[1:]), sure=False)
    if TITLE not in taken:
        texts = [each for each in free_columns(table, taken) if each.kind == "text" and not holds_addresses(each)]
        if texts:
            best = max(texts, key=lambda each: each.distinct)
            taken[TITLE] = Role(best, "the text with the most different values", sure=False)
    return taken


def agree_on_items(log: TableSample, of_log: dict[str, Role], key: Column) -> dict[str, Role]:
    """The log's column of items is the one whose values the catalogue knows, if another was guessed by its position."""
    item = of_log[ITEM]
    if item.sure:
        return of_log
    shared = {each.name: len(each.values & key.values) / max(1, each.distinct) for each in log.columns if is_id(each)}
    best = max(shared, key=lambda name: shared[name], default=item.column.name)
    if best == item.column.name or shared[best] < 2 * shared.get(item.column.name, 0):
        return {**of_log, ITEM: Role(item.column, f"{item.reason}; the catalogue knows its values", item.others)}
    swapped = {**of_log, ITEM: Role(log.column(best), "the catalogue knows its values")}
    if USER in of_log and of_log[USER].column.name == best:
        swapped[USER] = Role(item.column, "the other column of ids", sure=False)
    return swapped
