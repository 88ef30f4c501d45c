"""Fills in a ready-made mapping (`recstack/data/layouts`) for the files of a folder."""

import re
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Final

from recstack.data.adapters.mapping import FILE
from recstack.data.inspection.log_columns import log_roles
from recstack.data.inspection.proposal import scale_of
from recstack.data.inspection.tables import TableSample, read_table
from recstack.data.inspection.toml import Section, toml
from recstack.errors import DataError, choose

LAYOUTS: Final = "recstack.data.layouts"
_PACKED: Final = ("", ".gz", ".bz2", ".zst", ".xz", ".zip")
_OPEN: Final = re.compile(r'"<([^>"]*)>"')
_TABLE: Final = re.compile(r"\[(\w+)\]\s*(#.*)?")
_FILE: Final = re.compile(r'(file = )"<?([^>"]*)>?"')


def layouts() -> dict[str, str]:
    """Every ready-made mapping by its name: TOML in which "<a | b>" stands for the one that is there.

    A file may be a pattern with "*", and may be compressed; a key, or a table, for which nothing is there goes.
    """
    found = {each.name: each for each in files(LAYOUTS).iterdir() if each.name.endswith(".toml")}
    return {name.removesuffix(".toml"): found[name].read_text() for name in sorted(found)}


def resembling(tables: Sequence[TableSample]) -> list[str]:
    """Layouts whose log is one of these tables, by the name of its file and by its columns."""
    return [name for name, template in layouts().items() if any(_resembles(template, table) for table in tables)]


def _resembles(template: str, table: TableSample) -> bool:
    wanted = [pattern + packed for pattern in _patterns(_blocks(template)["interactions"]) for packed in _PACKED]
    if not any(fnmatch(table.name, pattern) for pattern in wanted):
        return False
    log, found = tomllib.loads(template)["interactions"], [column.name for column in table.columns]
    if "columns" in log:
        width = len(log["columns"])
        return table.dialect is not None and not table.dialect.header and table.dialect.columns == width
    return all(_there(log[key].strip("<>"), found) for key in ("user", "item"))


def like(name: str, folder: Path) -> str:
    """The text of `mapping.toml` for the files in `folder`.

    Raises:
        UserError: there is no such layout.
        DataError: the folder lacks the log of this layout.
    """
    blocks = _blocks(choose("layout", name, layouts()))
    there = sorted(each.name for each in folder.iterdir() if each.name[0] not in "._" and each.name != FILE)
    named = {table: _match(lines, there) for table, lines in blocks.items() if table not in ("", "interactions")}
    rest = [each for each in there if each not in named.values()]
    wanted, log = _patterns(blocks["interactions"]), _match(blocks["interactions"], rest)
    if log is None:
        raise DataError(
            f"{folder} has no file {' or '.join(wanted)}, which {name} needs; it has {', '.join(there) or 'none'}"
        )
    named["interactions"] = log
    filled = [
        _fill(lines, folder, named.get(table)) for table, lines in blocks.items() if named.get(table, "") is not None
    ]
    text = "\n\n".join(block for block in filled if block) + "\n"
    mapping = tomllib.loads(text)
    if "rating" in mapping["interactions"] and "rating" not in mapping:
        scale = _scale(folder / log, mapping["interactions"]["rating"])
        text += "\n" + "\n".join(scale.lines()) + "\n"
    return text


def _blocks(template: str) -> dict[str, list[str]]:
    """The lines of each table, by its name; "" has the lines before the first."""
    blocks: dict[str, list[str]] = {"": []}
    table = ""
    for line in template.splitlines():
        if found := _TABLE.fullmatch(line):
            table = found[1]
            blocks[table] = []
        blocks[table].append(line)
    return blocks


def _patterns(lines: Sequence[str]) -> list[str]:
    found = next((match for line in lines if (match := _FILE.match(line))), None)
    return [part.strip() for part in found[2].split("|")] if found else []


def _match(lines: Sequence[str], there: Sequence[str]) -> str | None:
    """The first file that a table may be; "" for a table without a file."""
    patterns = _patterns(lines)
    if not patterns:
        return ""
    wanted = [pattern + packed for pattern in patterns for packed in _PACKED]
    return next((name for pattern in wanted for name in there if fnmatch(name, pattern)), None)


def _fill(lines: Sequence[str], folder: Path, file: str | None) -> str:
    """The lines of a table with its file, and the columns that the file has."""
    open_ = any(_OPEN.search(line) and not _FILE.match(line) for line in lines)
    columns = [column.name for column in read_table(folder / file).columns] if file and open_ else []
    filled = [found for line in lines if (found := _fill_line(line, columns, file)) is not None]
    if "[users]" in filled and not any(line.startswith("attributes") for line in filled):
        return ""
    return "\n".join(filled).strip("\n")


def _fill_line(line: str, columns: Sequence[str], file: str | None) -> str | None:
    """The line with what is there; None for a key of which nothing is."""
    if file and _FILE.match(line):
        return _FILE.sub(lambda match: match[1] + toml(file), line)
    choices = [_there(match[1], columns) for match in _OPEN.finditer(line) if not line.startswith("#")]
    if not choices:
        return line
    found = [name for name in choices if name is not None]
    key = line.split(" = ")[0]
    value = toml(found) if f"{key} = [" in line else toml(found[0]) if found else ""
    comment = line[line.rindex('"') + 1 :].removeprefix("]")
    return f"{key} = {value}{comment}" if found else None


def _there(names: str, columns: Sequence[str]) -> str | None:
    return next((name.strip() for name in names.split("|") if name.strip() in columns), None)


def _scale(log: Path, rating: str) -> Section:
    """The table [rating] that the data show, for a layout with scales of many kinds."""
    table = read_table(log)
    role = next((role for role, each in log_roles(table).items() if each.column.name == rating), None)
    return scale_of(table.column(rating), role)
