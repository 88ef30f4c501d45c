"""Which file is the log and which the catalogue, and which column means what."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from recstack.data.inspection.columns import Column
from recstack.data.inspection.names import (
    EVENT,
    GENRES,
    ITEM,
    RATING,
    STRENGTH,
    TIME,
    TITLE,
    USER,
    WORDS,
    YEAR,
    event_words,
    weight_of,
    words_of,
)
from recstack.data.inspection.tables import TableSample

_HALF: Final = 0.5
"""Share of numbers from which a column may hold ratings, if its name says so."""
_BLANK: Final = 0.01
"""Share of empty cells above which another column of ids is better."""


@dataclass(frozen=True)
class Role:
    """A column that plays a role, why, and what else may play it."""

    column: Column
    reason: str
    others: tuple[str, ...] = ()
    sure: bool = True


class Doubt(NamedTuple):
    """A column whose name says a role that its cells don't."""

    role: str
    column: Column


@dataclass(frozen=True)
class Roles:
    """The tables of a folder and the columns that matter."""

    log: TableSample
    of_log: dict[str, Role]
    items: TableSample | None = None
    of_items: dict[str, Role] = field(default_factory=dict)
    items_reason: str = ""
    users: TableSample | None = None
    user_key: Column | None = None
    """Column of the ids in `users`."""
    twins: tuple[str, ...] = ()
    """Files with the same columns as the log: further parts of it."""
    unused: tuple[str, ...] = ()
    """Names of the other files."""
    doubts: tuple[Doubt, ...] = ()


def guess_roles(tables: Sequence[TableSample]) -> Roles:
    """Roles in the tables of a folder; the log is the table with the surest user, item and time.

    Args:
        tables: one or more.
    """
    ranked = sorted(tables, key=lambda table: -_likeness_of_log(table))
    log = ranked[0]
    of_log = log_roles(log)
    names = [column.name for column in log.columns]
    twins = [each for each in ranked[1:] if [column.name for column in each.columns] == names]
    others = [each for each in ranked[1:] if each not in twins]
    items, of_items, reason = _catalogue(of_log.get(ITEM), others)
    if items is not None:
        of_log = _agree(log, of_log, of_items[ITEM].column)
    others = [each for each in others if each is not items]
    users, key = _users(of_log.get(USER), others)
    unused = tuple(each.name for each in others if each is not users)
    same = tuple(each.name for each in twins)
    return Roles(log, of_log, items, of_items, reason, users, key, same, unused, tuple(_doubts(log, of_log)))


def log_roles(table: TableSample) -> dict[str, Role]:
    """Roles of the columns of a log, by names and contents; a role that no column fits is left out."""
    taken: dict[str, Role] = {}
    choices: list[tuple[str, Callable[[Column], bool]]] = [
        (TIME, lambda each: each.time is not None),
        (USER, _is_id),
        (EVENT, is_event),
        (RATING, _is_rating),
        (STRENGTH, lambda each: each.is_number and (each.low or 0) >= 0),
        (ITEM, _is_id),
    ]
    for role, fits in choices:
        if role == STRENGTH and (RATING in taken or EVENT in taken):
            continue
        if found := _by_name(role, _free(table, taken), fits):
            taken[role] = found
    _fill_by_content(table, taken)
    if EVENT in taken and RATING in taken:  # a log has one of them; two kinds of events say less than a rating
        del taken[EVENT]
    return taken


def _doubts(log: TableSample, of_log: dict[str, Role]) -> Iterator[Doubt]:
    rated = RATING in of_log or STRENGTH in of_log or EVENT in of_log
    for role in [RATING] * (not rated) + [TIME] * (TIME not in of_log):
        if named := _by_name(role, _free(log, of_log), lambda each: each.kind != "empty"):
            yield Doubt(role, named.column)


def item_roles(table: TableSample, key: Column) -> dict[str, Role]:
    """Roles of the columns of a catalogue."""
    taken = {ITEM: Role(key, "")}
    for role, fits in (
        (TITLE, lambda each: each.kind in ("text", "list", "whole")),
        (GENRES, lambda each: each.kind in ("list", "text") and each.distinct < max(50, 0.9 * each.cells)),
        (YEAR, _is_year),
    ):
        if found := _by_name(role, _free(table, taken), fits):
            taken[role] = found
    if GENRES not in taken:
        lists = [
            each for each in table.columns if each.kind == "list" and not _is_taken(each, taken) and each.parts < 1000
        ]
        if lists:
            best = max(lists, key=lambda each: each.cells - each.parts)
            taken[GENRES] = Role(best, "its cells are lists whose parts come back", sure=False)
    if GENRES not in taken and table.dialect is not None and not table.dialect.header:
        few = [each for each in _free(table, taken) if each.kind == "text" and 2 <= each.distinct <= 0.3 * each.cells]
        if few:
            taken[GENRES] = Role(few[0], "few words that come back", tuple(each.name for each in few[1:]), sure=False)
    if TITLE not in taken:
        texts = [each for each in table.columns if each.kind == "text" and not _is_taken(each, taken)]
        if texts:
            best = max(texts, key=lambda each: each.distinct)
            taken[TITLE] = Role(best, "the text with the most different values", sure=False)
    return taken


def _by_name(role: str, columns: Sequence[Column], fits: Callable[[Column], bool]) -> Role | None:
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


def _fill_by_content(table: TableSample, taken: dict[str, Role]) -> None:
    """Give the roles that no name gave to columns whose contents fit."""
    if TIME not in taken and (times := [each for each in _free(table, taken) if each.time and each.time.sure]):
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
    free = _free(table, taken)
    behind = [each for each in free if each in table.columns[2:] and not _is_row_number(each)]
    if events := [each for each in free if is_event(each) and each.values & event_words()]:
        taken[EVENT] = Role(events[0], "its words are kinds of events")
    elif scales := [each for each in behind if each.is_number and _is_rating(each)]:
        best = min(scales, key=lambda each: (each.distinct == 1, each.distinct))
        span = "" if best.low is None else f", {best.low:g} to {best.high:g}"
        taken[RATING] = Role(best, f"few different numbers{span}", sure=False)
    elif counts := [each for each in behind if each.kind == "whole" and (each.low or 0) >= 0 and each.low != each.high]:
        if sum(each.kind == "text" for each in free) >= 2:
            taken[STRENGTH] = Role(counts[0], "numbers beside two columns of words", sure=False)


def _ids(table: TableSample, taken: dict[str, Role]) -> list[Column]:
    """Columns that may hold ids, the likeliest first: neither numbers of rows nor decimals, if there are others."""
    found = [each for each in _free(table, taken) if _is_id(each) and not _is_row_number(each)]
    marked = [each for each in found if each.kind == "marked items"] if USER in taken else []
    others = [each for each in found if each not in marked]
    return marked + sorted(others, key=lambda each: (each.kind == "decimal", each.blank > _BLANK))


def _is_row_number(column: Column) -> bool:
    """Whether a column counts the rows, or names each of them."""
    return column.kind == "whole" and column.unique and column.cells >= 5


def _catalogue(item: Role | None, tables: Sequence[TableSample]) -> tuple[TableSample | None, dict[str, Role], str]:
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


def _users(user: Role | None, tables: Sequence[TableSample]) -> tuple[TableSample | None, Column | None]:
    """The table whose column of unique ids are users of the log, and that says more of them."""
    for table in tables:
        for column in table.columns:
            if user is not None and column.unique and len(table.columns) > 1:
                shared = len(column.values & user.column.values)
                named = any(word in WORDS[USER] for word in words_of(column.name))
                if shared > 0.5 * min(column.distinct, user.column.distinct) and (named or user.column.kind == "text"):
                    return table, column
    return None, None


def _agree(log: TableSample, of_log: dict[str, Role], key: Column) -> dict[str, Role]:
    """The log's column of items is the one whose values the catalogue knows, if another was guessed by its position."""
    item = of_log[ITEM]
    if item.sure:
        return of_log
    shared = {each.name: len(each.values & key.values) / max(1, each.distinct) for each in log.columns if _is_id(each)}
    best = max(shared, key=lambda name: shared[name], default=item.column.name)
    if best == item.column.name or shared[best] < 2 * shared.get(item.column.name, 0):
        return {**of_log, ITEM: Role(item.column, f"{item.reason}; the catalogue knows its values", item.others)}
    swapped = {**of_log, ITEM: Role(log.column(best), "the catalogue knows its values")}
    if of_log[USER].column.name == best:
        swapped[USER] = Role(item.column, "the other column of ids", sure=False)
    return swapped


def _likeness_of_log(table: TableSample) -> float:
    roles = log_roles(table)
    named = sum(role in roles and roles[role].reason == "by its name" for role in (USER, ITEM, TIME, RATING, STRENGTH))
    user = USER in roles and (not roles[USER].column.unique or roles[USER].column.cells == 1)
    both = USER in roles and ITEM in roles
    size = min(1.0, (table.estimated_rows or 10**6) / 10**6)
    return 2.0 * both * user + named + (TIME in roles) + size


def _free(table: TableSample, taken: dict[str, Role]) -> list[Column]:
    return [each for each in table.columns if not _is_taken(each, taken)]


def _is_taken(column: Column, taken: dict[str, Role]) -> bool:
    return any(role.column.name == column.name for role in taken.values())


def _is_id(column: Column) -> bool:
    if column.kind == "decimal":  # 42.0, as pandas writes whole numbers if one is missing
        return all(value.rstrip("0").endswith(".") for value in column.values)
    return column.kind in ("whole", "text", "marked items", "items") or (column.kind == "list" and column.typed is None)


def is_event(column: Column) -> bool:
    """Whether a column holds few words, most of them kinds of events."""
    known = [value for value in column.values if weight_of(value) is not None]
    return column.kind in ("text", "list") and 1 <= column.distinct <= 20 and 2 * len(known) >= column.distinct


def _is_rating(column: Column) -> bool:
    if column.kind == "switch":
        return True
    if column.numeric < _HALF or column.high is None or column.low is None:
        return False
    return column.distinct <= 201 and -10 <= column.low and column.high <= 100


def _is_year(column: Column) -> bool:
    return column.kind in ("whole", "decimal") and column.high is not None and column.high < 10_000
