"""Separator, quote, escape and header of a text file, guessed from its first lines."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

SEPARATORS: Final = (",", "\t", ";", "|", "::", "\x01", " ", "  ")
_LINES: Final = 500
_LETTERS: Final = 300_000
"""Of the text, so much is looked at."""
_NUMBER: Final = re.compile(r"[+-]?[\d.,:/\- ]*\d[\d.,:/\- TZ]*")
_KNOWN: Final = re.compile(
    r"(?<![a-z])((user|item|movie|book|product|member|customer|artist|track|song|business|visitor|session|isbn|asin)"
    r"[ _.-]?(id|no|nr|number|key|name)?|rating|score|stars?|time|timestamp|date|title|genres?|event|plays|weight|ts)"
    r"(?![a-z])",
    re.IGNORECASE,
)


class DialectGuess(NamedTuple):
    """How lines are cut into cells."""

    separator: str
    quote: str
    """"" for none."""
    escape: str | None
    """Stands before a quote inside a quoted cell; None if such a quote is doubled."""
    header: bool
    columns: int
    agreement: float
    """Share of the rows that have as many cells as most rows."""

    def rows(self, text: str, most: int | None = None) -> list[list[str]]:
        """The cells of the lines of `text`; blank lines are left out."""
        lines = io.StringIO(text, newline="")
        cut: Iterator[list[str]]
        if len(self.separator) > 1:
            cut = (line.rstrip("\r\n").split(self.separator) for line in lines)
        else:
            cut = csv.reader(
                lines,
                delimiter=self.separator,
                quotechar=self.quote or None,
                quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
                escapechar=self.escape,
                doublequote=self.escape is None,
            )
        found: list[list[str]] = []
        try:
            for row in cut:
                if row and row != [""]:
                    found.append(row)
                if most is not None and len(found) >= most:
                    break
        except csv.Error:  # a cell beyond the reader's limit: what was read until then is a sample, too
            pass
        return found


def guess_dialect(text: str) -> DialectGuess:
    """The dialect under which most lines have the same number of cells, at least two.

    A file of one column, or of lines that agree in nothing, gets a comma.
    """
    text = text[:_LETTERS].replace("\r\n", "\n").replace("\r", "\n")
    head = _whole_lines(text)
    candidates = [_candidate(head, separator, quote) for separator in SEPARATORS for quote in _quotes(head, separator)]
    useful = [each for each in candidates if each.columns > 1]
    if not useful:
        return _candidate(head, ",", '"')
    # Blanks are in most texts: they count where nothing else cuts the lines.
    return max(
        useful,
        key=lambda each: (round(each.agreement, 1), each.separator.strip(" ") != "", each.agreement, each.columns),
    )


def _candidate(text: str, separator: str, quote: str) -> DialectGuess:
    escape = "\\" if quote and re.search(rf"\\{quote}(?!\s*(?:{re.escape(separator)}|$))", text, re.MULTILINE) else None
    draft = DialectGuess(separator, quote, escape, False, 1, 0.0)
    rows = draft.rows(text, _LINES)
    if not rows:
        return draft
    columns, count = Counter(len(row) for row in rows).most_common(1)[0]
    if separator == " " and any(not any(column) for column in zip(*rows, strict=False)):
        return draft  # several blanks stand between two cells
    return draft._replace(header=_has_header(rows, columns), columns=columns, agreement=count / len(rows))


def _quotes(text: str, separator: str) -> list[str]:
    """Quotes worth trying, the usual one first."""
    if len(separator) > 1 or '"' not in text:
        return [""] if len(separator) > 1 or separator == "\t" else ['"']
    cell = rf'(?:^|{re.escape(separator)})"(?:[^"\n]|""|\\")*"(?:{re.escape(separator)}|$)'
    quoted = len(re.findall(cell, text, re.MULTILINE))
    if separator == "\t":  # titles such as "Heroes" stand in quotes of their own
        return ['"'] if quoted > 0.8 * text.count("\n") else ["", '"']
    return ['"', ""]


def _whole_lines(text: str) -> str:
    end = text.rfind("\n")
    return text[: end + 1] if end > 0 else text


def _has_header(rows: list[list[str]], columns: int) -> bool:
    """Whether the first row names columns: no cell of it is a number or repeated below, and names or numbers follow."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == columns]
    if len(first) < columns - 1 or not below:
        return all(re.search(r"[^\W\d_]", cell) for cell in first)
    if any(_NUMBER.fullmatch(cell.strip()) for cell in first):
        return False
    if sum(len(cell) < 40 and bool(_KNOWN.search(cell)) for cell in first) >= 2 or any(
        re.search(r":(token|float)", each) for each in first
    ):
        return True
    numeric = [
        index
        for index in range(min(columns, len(first)))
        if sum(bool(_NUMBER.fullmatch(row[index].strip())) for row in below) > 0.8 * len(below)
    ]
    recurs = any(first[index] in {row[index] for row in below} for index in range(min(columns, len(first))))
    return bool(numeric) and not recurs
