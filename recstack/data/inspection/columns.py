"""What the cells of a column are: numbers, times, words, lists; the facts from which roles are guessed."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from statistics import median
from typing import Any, Final

from recstack.data.inspection.times import TimeGuess, guess_time

NULL_WORDS: Final = frozenset({"", "null", "none", "nan", "na", "n/a", "#n/a", "\\n", "<na>", "nat", "-"})
"""Cells that stand for "not known", in lower case."""
_SHARE: Final = 0.9
_WHOLE: Final = re.compile(r"[+-]?\d+")
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA: Final = re.compile(r"[+-]?\d{1,3}(\.\d{3})*,\d+|[+-]?\d+,\d+|[+-]?\d+")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d+)?")
_SWITCH: Final = (("true", "false"), ("yes", "no"), ("like", "dislike"), ("t", "f"), ("y", "n"), ("up", "down"))
_LISTS: Final = ("|", ",", ";", "/", " - ")
_MARKED: Final = re.compile(r"\S+-[01]")


@dataclass(frozen=True)
class Column:
    """A column of a sample."""

    name: str
    kind: str
    """"whole", "decimal", "decimal comma", "thousands", "switch" (two words such as true and false), "time", "list",
    "marked items" (`N1-0 N2-1`), "items" (several ids in a cell), "object", "text" or "empty"."""
    cells: int
    blank: float
    """Share of the cells that are empty or a null word."""
    null_words: tuple[str, ...]
    """Those that occur, as written, without the empty cell."""
    distinct: int
    unique: bool
    """Whether no value occurs twice."""
    examples: tuple[str, ...]
    """Three of the commonest values."""
    values: frozenset[str]
    """All distinct values, as text."""
    low: float | None = None
    high: float | None = None
    middle: float | None = None
    """Median of its numbers."""
    numeric: float = 0.0
    """Share of the known cells that are numbers; of a column of words perhaps half."""
    time: TimeGuess | None = None
    separator: str | None = None
    """Between the parts of a list."""
    parts: int = 0
    """Distinct parts of all lists."""
    typed: str | None = None
    """Its type where the file has types (Parquet, JSON)."""

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers, however written."""
        return self.kind in ("whole", "decimal", "decimal comma", "thousands")


def describe(name: str, cells: Sequence[Any], typed: str | None = None) -> Column:
    """The facts about a column.

    Args:
        name: of the column.
        cells: text, or values of a file with types.
        typed: the type in such a file.
    """
    texts = [_text(cell) for cell in cells]
    known = [text for text in texts if text.strip().lower() not in NULL_WORDS]
    words = tuple(sorted({text.strip() for text in texts} - {text.strip() for text in known} - {""}))
    counts = Counter(text.strip() for text in known)
    facts: dict[str, Any] = {
        "name": name,
        "cells": len(texts),
        "blank": 1 - len(known) / len(texts) if texts else 0.0,
        "null_words": words,
        "distinct": len(counts),
        "unique": bool(counts) and max(counts.values()) == 1,
        "examples": tuple(value for value, _ in counts.most_common(3)),
        "values": frozenset(counts),
        "typed": typed,
    }
    if not known:
        return Column(kind="empty", **facts)
    kind = _kind_of_values(cells, known) if typed else _kind_of_texts(list(counts), known)
    if kind["kind"] in ("marked items", "items"):
        facts["values"] = frozenset(
            part.removesuffix("-0").removesuffix("-1") for each in counts for part in each.split()
        )
    return Column(**facts, **kind)


def _kind_of_values(cells: Sequence[Any], known: list[str]) -> dict[str, Any]:
    first = next(cell for cell in cells if cell is not None)
    if isinstance(first, bool):
        return {"kind": "switch"}
    if isinstance(first, int | float):
        numbers = [float(cell) for cell in cells if isinstance(cell, int | float) and cell == cell]
        finite = [number for number in numbers if isfinite(number)]
        time = guess_time([f"{number:.0f}" for number in finite])
        whole = all(number.is_integer() for number in finite)
        return {"kind": "whole" if whole else "decimal", "time": time, "numeric": 1.0, **_range(finite)}
    if isinstance(first, datetime | date):
        return {"kind": "time", "time": TimeGuess("iso", "the file says that these are times")}
    if isinstance(first, list):
        parts = {str(part) for cell in cells if cell is not None for part in cell}
        return {"kind": "list", "parts": len(parts)}
    if isinstance(first, dict):
        return {"kind": "object"}
    return _kind_of_texts(list(dict.fromkeys(known)), known)


def _kind_of_texts(distinct: list[str], known: list[str]) -> dict[str, Any]:
    for kind, pattern in (
        ("whole", _WHOLE),
        ("decimal", _DECIMAL),
        ("decimal comma", _COMMA),
        ("thousands", _THOUSANDS),
    ):
        if _fits(pattern, known):
            numbers = [number for text in known if (number := _number(text, kind)) is not None]
            return {"kind": kind, "time": guess_time(known), "numeric": len(numbers) / len(known), **_range(numbers)}
    lowered = {text.strip().lower() for text in distinct}
    if len(lowered) <= 2 and any(lowered <= set(pair) for pair in _SWITCH):
        return {"kind": "switch"}
    if time := guess_time(known):
        return {"kind": "time", "time": time}
    numbers = [number for text in known if (number := _number(text, "decimal")) is not None]
    if len(numbers) >= 0.5 * len(known):
        return {"kind": "text", "numeric": len(numbers) / len(known), **_range(numbers)}
    marked = [text for text in known if all(_MARKED.fullmatch(part) for part in text.split())]
    if len(marked) >= _SHARE * len(known) and sum(" " in text for text in marked) > 0.2 * len(known):
        return {"kind": "marked items"}
    return _lists(distinct, known)


def _range(numbers: list[float]) -> dict[str, float]:
    return {"low": min(numbers), "high": max(numbers), "middle": median(numbers)} if numbers else {}


def _lists(distinct: list[str], known: list[str]) -> dict[str, Any]:
    if sum(text.strip().startswith("[") and text.strip().endswith("]") for text in known) >= _SHARE * len(known):
        parts = {part for text in distinct for part in re.findall(r"[\w&/ -]+", text)}
        return {"kind": "list" if parts else "empty", "separator": None, "parts": len(parts)}
    if sum("://" in text for text in known) > 0.5 * len(known):
        return {"kind": "text"}
    for separator in _LISTS:
        pieces = [[part.strip() for part in text.split(separator)] for text in known]
        cut = [each for each in pieces if len(each) > 1]
        parts = {part for each in pieces for part in each}
        # Genres come back, and are short; the parts of sentences are neither.
        if len(cut) > 0.2 * len(pieces) and len(parts) < 0.7 * sum(map(len, pieces)) and _short(parts):
            return {"kind": "list", "separator": separator, "parts": len(parts)}
    tokens = [text.split() for text in distinct]
    if sum(
        len(each) > 1 and all(re.fullmatch(r"[A-Za-z]{0,3}\d+", part) for part in each) for each in tokens
    ) > 0.5 * len(tokens):
        return {"kind": "items", "separator": " ", "parts": len({part for each in tokens for part in each})}
    return {"kind": "text"}


def _short(parts: set[str]) -> bool:
    return sum(len(part) <= 25 for part in parts) >= _SHARE * len(parts)


def _number(text: str, kind: str) -> float | None:
    text = text.strip()
    if kind == "decimal comma":
        text = text.replace(".", "").replace(",", ".")
    elif kind == "thousands":
        text = text.replace(",", "")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, list | dict):
        return json.dumps(cell, default=str)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _fits(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    return sum(bool(pattern.fullmatch(cell.strip())) for cell in cells) >= _SHARE * len(cells)
