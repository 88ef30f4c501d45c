"""Divides records into cells one at a time, for lines that keep no rule; what keeps RFC 4180 is read by that."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from recstack.data.adapters.mapping_tables import SPACES
from recstack.data.reading.dialect import Dialect

MOST: Final = 1 << 20
"""A quoted cell of more characters is none: its quote was never closed."""


@dataclass
class Record:
    """The cells of a record."""

    cells: list[str]
    line: int
    """How many line breaks stand before it."""
    odd_quotes: bool = False
    """Whether a quote begins a cell and does not end it."""
    escaped_quotes: bool = False
    """Whether such a cell holds a backslash before a quote."""


def parse(text: str, dialect: Dialect, *, final: bool, most: int | None = None) -> tuple[list[Record], int]:
    """Records at the beginning of a text.

    A cell that begins with a quote ends at the next one that is not doubled and stands before a separator or a line
    break. If there is none, the quote is an ordinary character, and the cell ends where others do.

    Args:
        text: begins with a record.
        dialect: how it is divided.
        final: whether nothing follows the text; otherwise an incomplete record is left.
        most: how many records to read.

    Returns:
        The records, without blank lines, and how many characters they and the blank lines between them take.
    """
    records: list[Record] = []
    position = line = 0
    while position < len(text) and (most is None or len(records) < most):
        end = text.find("\n", position)
        if end < 0:
            if not final:
                break
            end = len(text)
        content = text[position:end].removesuffix("\r")
        if not content.strip(" \t" if dialect.separator != "\t" else " "):
            position, line = end + 1, line + 1
            continue
        if not (dialect.quote and dialect.quote in content) and not (dialect.escape and dialect.escape in content):
            records.append(Record(_split(content, dialect), line))
            position, line = end + 1, line + 1
            continue
        found = _quoted(text, position, dialect, line, final=final)
        if found is None:
            break
        record, after = found
        line += text.count("\n", position, after)
        records.append(record)
        position = after
    return records, min(position, len(text))


def _split(line: str, dialect: Dialect) -> list[str]:
    most = -1 if dialect.rest is None else dialect.rest
    return line.split(None if dialect.separator == SPACES else dialect.separator, most)


def _quoted(text: str, start: int, dialect: Dialect, line: int, *, final: bool) -> tuple[Record, int] | None:
    """The record at `start`, and where the next one begins; None if it may go on after the text."""
    patterns = _patterns(dialect)
    record, position = Record([], line), start
    if dialect.separator == SPACES:
        position = patterns.blanks.match(text, position).end()  # type: ignore[union-attr]
    while True:
        whole = patterns.whole.match(text, position) if dialect.quote else None
        if whole is not None and whole.end() - position <= MOST:
            record.cells.append(_unquoted(whole["inside"], dialect))
            position = whole.end()
        else:
            begins = patterns.opening.match(text, position) if dialect.quote else None
            if begins and not final and len(text) - position < MOST and patterns.unclosed.match(text, position):
                return None
            plain = patterns.plain.match(text, position)
            assert plain is not None  # it matches an empty cell
            record.odd_quotes |= begins is not None
            record.escaped_quotes |= begins is not None and "\\" + dialect.quote in plain[0]
            is_null = plain[0] == f"{dialect.escape}N"  # MySQL writes so; it is no escaped letter
            record.cells.append(patterns.escaped.sub(r"\1", plain[0]) if dialect.escape and not is_null else plain[0])
            position = plain.end()
        ends = patterns.line_end.match(text, position)
        if ends is not None:
            if ends.end() == position and not final:
                return None
            return record, ends.end()
        position = patterns.separator.match(text, position).end()  # type: ignore[union-attr]
        if dialect.separator == SPACES and (ends := patterns.line_end.match(text, position)):
            return (record, ends.end()) if final or ends.end() > position else None


def _unquoted(inside: str, dialect: Dialect) -> str:
    if dialect.escape:
        inside = _patterns(dialect).escaped.sub(r"\1", inside)
    return inside.replace(dialect.quote * 2, dialect.quote)


@dataclass(frozen=True)
class _Patterns:
    separator: re.Pattern[str]
    line_end: re.Pattern[str]
    blanks: re.Pattern[str]
    whole: re.Pattern[str]
    """A quoted cell up to a separator or the end of the line."""
    opening: re.Pattern[str]
    unclosed: re.Pattern[str]
    """A quoted cell that goes to the end of the text."""
    plain: re.Pattern[str]
    escaped: re.Pattern[str]


@lru_cache(maxsize=64)
def _patterns(dialect: Dialect) -> _Patterns:
    separator = r"[ \t]+" if dialect.separator == SPACES else re.escape(dialect.separator)
    quote, escape = re.escape(dialect.quote or "\0"), re.escape(dialect.escape or "\0")
    blank = "" if dialect.separator in (" ", "\t", SPACES) else "[ ]*"
    pair = f"{escape}." if dialect.escape else r"(?!)"
    body = rf"(?:[^{quote}{escape}]++|{pair}|{quote}{quote})*+"
    end = rf"(?=[ ]*(?:{separator}|\r?\n|\r?\Z))" if blank else rf"(?={separator}|\r?\n|\r?\Z)"
    return _Patterns(
        separator=re.compile(separator),
        line_end=re.compile(r"\r?\n|\r?\Z"),
        blanks=re.compile(r"[ \t]*"),
        whole=re.compile(rf"{blank}{quote}(?P<inside>{body}){quote}{end}{blank}", re.DOTALL),
        opening=re.compile(rf"{blank}{quote}"),
        unclosed=re.compile(rf"{blank}{quote}{body}{quote}?\Z", re.DOTALL),
        plain=re.compile(rf"(?:{pair}|(?!{separator}|\r?\n|\r?\Z).)*", re.DOTALL),
        escaped=re.compile(rf"{escape}(.)", re.DOTALL),
    )
