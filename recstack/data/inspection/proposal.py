"""A mapping for a folder, with a reason for each key: what `recstack init-mapping` writes."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap
from typing import Final

from pydantic import ValidationError

from recstack.data.adapters.mapping import FILE, Mapping
from recstack.data.inspection import names as r
from recstack.data.inspection.columns import Column
from recstack.data.inspection.matching import Role
from recstack.data.inspection.roles import Roles
from recstack.data.inspection.tables import TableSample, count_of_rows
from recstack.data.inspection.toml import WIDTH, Section, toml
from recstack.errors import DataError

_SCALES: Final = ((0.0, 1.0), (1.0, 5.0), (0.5, 5.0), (0.0, 5.0), (1.0, 7.0), (1.0, 10.0), (0.0, 10.0), (0.0, 100.0))
_ATTRIBUTES: Final = 5
_MARKED: Final = "marked items"


@dataclass(frozen=True)
class Proposal:
    """What `mapping.toml` may say of the files in a folder."""

    sections: list[Section]
    notes: list[str]
    """What could not be decided, or is left out."""

    def text(self) -> str:
        """The file."""
        head = [
            line for note in self.notes for line in wrap(note, WIDTH, initial_indent="# ", subsequent_indent="#   ")
        ]
        return (
            "\n\n".join("\n".join(lines) for lines in [head, *(each.lines() for each in self.sections)] if lines) + "\n"
        )

    def mapping(self) -> Mapping:
        """As `read_mapping` would read it.

        Raises:
            DataError: what was guessed does not go together.
        """
        try:
            return Mapping.model_validate(tomllib.loads(self.text()))
        except ValidationError as error:
            why = "; ".join(each["msg"] for each in error.errors())
            raise DataError(f"no mapping was found that fits the files ({why}): write {FILE} by hand") from None


def propose(roles: Roles) -> Proposal:
    """A mapping of the tables by their roles.

    Raises:
        DataError: no column of the log can be the users, or none the items.
    """
    if all(column.kind == "empty" for column in roles.log.columns):
        raise DataError(f"{roles.log.name} has no rows, or only empty ones: get it again")
    for role in (r.USER, r.ITEM):
        if role not in roles.of_log:
            names = ", ".join(column.name for column in roles.log.columns)
            raise DataError(
                f"{roles.log.name}: none of its columns ({names}) looks like the {role}s; write {FILE} by hand, as"
                " docs/adding-a-dataset.md says"
            )
    sections = [_interactions(roles)]
    if kinds := _kinds(roles):
        sections.append(kinds)
    if scale := _scale(roles):
        sections.append(scale)
    if roles.items is not None:
        sections.append(_items(roles, roles.items))
    if users := _users(roles):
        sections.append(users)
    return Proposal(sections, _notes(roles))


def _interactions(roles: Roles) -> Section:
    log, of_log = roles.log, roles.of_log
    section = Section("interactions", f"The log: {log.name}, {count_of_rows(log)}.")
    names = _names(log, of_log)
    _add_file(section, log, of_log, names)
    for role in (r.USER, r.ITEM):
        section.add(role, names[of_log[role].column.name], _why(of_log[role]))
    _add_cells_of_items(section, of_log[r.ITEM].column)
    if of_log[r.ITEM].column.kind == _MARKED:
        pass  # the marks are the kinds
    elif strength := of_log.get(r.RATING) or of_log.get(r.STRENGTH):
        section.add("rating", names[strength.column.name], _why(strength))
    elif r.EVENT in of_log:
        section.add("kind", names[of_log[r.EVENT].column.name], _why(of_log[r.EVENT]))
    if (time := of_log.get(r.TIME)) and time.column.time:
        section.add("time", names[time.column.name], _why(time))
        guess = time.column.time
        choice = f'; "{guess.other}" fits them too' if guess.other else ""
        if guess.format != "iso":
            section.add("time_format", guess.format, guess.reason + choice)
    return section


def _add_file(section: Section, table: TableSample, roles: dict[str, Role], names: dict[str, str]) -> None:
    packed = f", compressed by {table.sample.compression}" if table.sample.compression else ""
    parts = f", a folder of {len(table.sample.parts)} files" if table.sample.path.is_dir() else ""
    section.add("file", table.name, {"json": "one JSON object a line"}.get(table.layout, table.layout) + packed + parts)
    if table.name.endswith((".parquet", ".pq")):
        return  # text of that name has to be plain
    if table.dialect is not None:
        dialect = table.dialect
        separator = "spaces" if dialect.separator == "  " else dialect.separator
        section.add("separator", separator, f"{dialect.columns} columns in {dialect.agreement:.0%} of the rows seen")
        usual = "" if separator == "\t" or len(separator) > 1 else '"'
        if dialect.quote != usual:
            section.add(
                "quote", dialect.quote, "cells stand in quotes" if dialect.quote else "quotes are plain characters"
            )
        if dialect.escape:
            section.add(
                "escape", dialect.escape, f"it stands before quotes inside cells: {dialect.escape}{dialect.quote}"
            )
        if not dialect.header:
            section.add("columns", list(names.values()), "no header line was seen: the names are made up")
    if table.encoding is not None and table.encoding.name != "utf-8":
        guess = table.encoding
        other = f'; or "{guess.other}"' if guess.other else ""
        seen = f" ({guess.example} was seen)" if guess.example else ""
        section.add("encoding", guess.name, f"{guess.reason}{seen}{other}")
    used = [role.column for role in roles.values()]
    if any(column.kind == "decimal comma" for column in used):
        section.add("decimal", ",", "numbers such as " + _example(used, "decimal comma"))
    if any(column.kind == "thousands" for column in used):
        section.add("thousands", ",", "numbers such as " + _example(used, "thousands"))


def _add_cells_of_items(section: Section, column: Column) -> None:
    if column.kind == _MARKED:
        section.add("item_separator", " ", "several items stand in a cell")
        section.add("item_pattern", "(?P<item>.+)-(?P<kind>[01])", f"such as {column.examples[0][:40]}")
    elif column.kind in ("items", "list") and column.typed is None:
        section.add(
            "item_separator", column.separator or " ", f"several items in a cell, such as {column.examples[0][:40]}"
        )


def _kinds(roles: Roles) -> Section | None:
    if roles.of_log[r.ITEM].column.kind == _MARKED:
        section = Section("kinds", "Which of the items in a cell count: 1 was chosen, 0 was shown alone.")
        section.add("0", 0.0, "left out")
        section.add("1", 1.0)
        return section
    event = roles.of_log.get(r.EVENT)
    if event is None or r.RATING in roles.of_log or r.STRENGTH in roles.of_log:
        return None
    section = Section("kinds", "What each kind of event weighs; 0 leaves it out. All kinds of the log have to be here.")
    weights = {value: r.weight_of(value) for value in event.column.values}
    for value, weight in sorted(weights.items(), key=lambda pair: (pair[1] or 0.0, pair[0])):
        section.add(value, weight or 1.0, "" if weight else "an unknown word: 1 is a guess")
    return section


def _scale(roles: Roles) -> Section | None:
    for role in (r.RATING, r.STRENGTH):
        if role in roles.of_log and roles.of_log[r.ITEM].column.kind != _MARKED:
            return scale_of(roles.of_log[role].column, role)
    return None


def scale_of(column: Column, role: str | None) -> Section:
    """The table `[rating]` for a column of ratings, or of strengths."""
    if role != r.STRENGTH:
        return _switch(column) if column.kind == "switch" else _ratings(column)
    section = Section("rating", "A strength without an upper end, such as plays, hours or counts.")
    middle = column.middle or 1.0
    section.add("positive_from", middle, f"half of the rows seen have {middle:g} or more")
    section.add("transform", "log", "the thousandth play counts less than the first; remove it for plain numbers")
    return section


def _switch(column: Column) -> Section:
    section = Section("rating", "Two words instead of numbers.")
    good = {"true", "yes", "like", "t", "y", "up"}
    if column.typed is None:
        words = {value.strip().lower(): float(value.strip().lower() in good) for value in sorted(column.values)}
        section.add("values", words, "what each word is worth")
    section.add("min", 0.0)
    section.add("max", 1.0)
    section.add("positive_from", 1.0, "what counts as liked")
    return section


def _ratings(column: Column) -> Section:
    low, high = column.low or 0.0, column.high or 0.0
    unrated = low == -1 and high > 1
    if unrated:
        low = min(value for each in column.values if (value := float(each.replace(",", "."))) > -1)
    fitting = [scale for scale in _SCALES if scale[0] <= low and high <= scale[1]]
    small, large = min(fitting, key=lambda scale: (scale[1], scale[1] - scale[0])) if fitting else (low, high)
    if large > 10 and high < large:  # a scale of its own
        small, large = min(0.0, low), float(ceil(high))
    seen = f"{low:g} to {high:g} were seen"
    section = Section("rating", "The scale: ratings outside are rejected.")
    comment = seen if (small, large) != (low, high) else "as seen"
    if unrated:
        comment += "; -1 too, which often means 'no rating': with [kinds] such rows can be left out or weighed"
    elif small == 0 and large == 10:
        comment += "; if 0 means 'no rating', write 1"
    section.add("min", small, comment)
    section.add("max", large if large > small else small + 1)
    positive = {5.0: 4.0, 10.0: 7.0, 1.0: 1.0}.get(large, round(small + 0.7 * (large - small), 2))
    section.add("positive_from", positive, "ratings from here on count as liked: a guess")
    return section


def _items(roles: Roles, items: TableSample) -> Section:
    of_items = roles.of_items
    section = Section("items", f"The catalogue: {items.name}, {count_of_rows(items)}; {roles.items_reason}.")
    names = _names(items, of_items)
    _add_file(section, items, of_items, names)
    key = of_items[r.ITEM].column
    section.add("item", names[key.name], "the ids of the log")
    for role in (r.TITLE, r.GENRES, r.YEAR, r.TYPE, r.EPISODES, r.MEAN_SCORE):
        if role in of_items:
            column = of_items[role].column
            section.add(role, names[column.name], _why(of_items[role]))
            if role == r.GENRES and column.separator and column.separator != "|":
                section.add("genre_separator", column.separator, f"cells such as {column.examples[0][:40]!r}")
            elif role == r.GENRES and (column.name.endswith(":token_seq") or _word_lists(column)):
                section.add("genre_separator", " ", f"cells such as {column.examples[0][:40]!r}")
    return section


def _word_lists(column: Column) -> bool:
    """Whether cells hold several words that come back in other cells."""
    words = [word for value in column.values for word in value.split()] if column.kind == "text" else []
    return any(" " in value for value in column.values) and len(set(words)) < 0.5 * len(words)


def _users(roles: Roles) -> Section | None:
    if roles.users is None or roles.user_key is None:
        return None
    kept = [each for each in roles.users.columns if each is not roles.user_key and 1 < each.distinct < 0.5 * each.cells]
    if not kept:
        return None
    section = Section("users", f"What is known of the users: {roles.users.name}, {count_of_rows(roles.users)}.")
    role = {r.USER: Role(roles.user_key, "")}
    names = _names(roles.users, role)
    _add_file(section, roles.users, role, names)
    section.add("user", names[roles.user_key.name], "the ids of the log")
    section.add("attributes", [names[each.name] for each in kept[:_ATTRIBUTES]], "columns to keep for models")
    return section


def _notes(roles: Roles) -> list[str]:
    notes = ["A guess from the first rows: read it, mend what is wrong, and run `recstack check` again."]
    user, item = roles.of_log[r.USER], roles.of_log[r.ITEM]
    if not (user.sure and item.sure) and "name" not in user.reason and "name" not in item.reason:
        notes.append(
            f"Nothing tells users from items but their order: exchange {r.USER} and {r.ITEM} if it is the other way."
        )
    for role, column in roles.doubts:
        wanted = "times" if role == r.TIME else "numbers"
        notes.append(
            f"{toml(column.name)} may be the {role}, but its cells, such as {column.examples[0][:30]!r}, are no"
            f" {wanted}: if it is, mend the file, or add {role} = {toml(column.name)} under [interactions]."
        )
    if r.TIME not in roles.of_log and not any(role == r.TIME for role, _ in roles.doubts):
        notes.append('No column of times was found. If the rows are in the order of time, add time = "row".')
    if roles.twins:
        some = ", ".join(roles.twins[:3]) + (" and others" if len(roles.twins) > 3 else "")
        notes.append(
            f"{some}: the same columns as {roles.log.name}. To read all of them, move them to one folder and name it as"
            " file."
        )
    if roles.unused:
        notes.append(f"Not used: {', '.join(roles.unused)}.")
    return notes


def _names(table: TableSample, roles: dict[str, Role]) -> dict[str, str]:
    """Names of columns: those of the header, or made up from the roles where there is none."""
    if table.dialect is None or table.dialect.header:
        return {column.name: column.name for column in table.columns}
    named = {role.column.name: key for key, role in roles.items()}
    return {column.name: named.get(column.name, column.name.replace(" ", "_")) for column in table.columns}


def _why(role: Role) -> str:
    others = " or ".join(f'"{name}"' for name in role.others)
    return f"{role.reason}; {others} may be meant" if others else role.reason


def _example(columns: Sequence[Column], kind: str) -> str:
    return next(column.examples[0] for column in columns if column.kind == kind)
