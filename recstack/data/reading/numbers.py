"""Cells as numbers: with a decimal comma, thousands, or words that stand for numbers."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack.data.reading.cells import Read, is_number, mask, text_of, without_null_words

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_PERCENT: Final = r"^([+-]?[0-9.]+) ?%$"


def numbers_of(
    cells: pa.Array,
    null_words: tuple[str, ...],
    *,
    decimal: str = ".",
    thousands: str | None = None,
    values: Mapping[str, float] | None = None,
) -> Read:
    """Cells as float64.

    Args:
        cells: text, or numbers of Parquet.
        null_words: see `cells.NULL_WORDS`.
        decimal: before the fraction.
        thousands: between groups of three digits; None if there are none.
        values: numbers for words, whose case does not matter.
    """
    nothing = pa.scalar(None, pa.float64())
    if is_number(cells.type) and not values:
        numbers = cells.cast(pa.float64(), safe=False)
        return Read.all_of(pc.if_else(pc.is_finite(numbers), numbers, nothing))
    text = without_null_words(text_of(cells), null_words)
    plain = _plain(text, decimal, thousands)
    numbers = pc.if_else(pc.match_substring_regex(plain, _NUMBER), plain, pa.scalar(None, pa.string())).cast(
        pa.float64()
    )
    if values:
        words = pa.array([word.lower() for word in values], pa.string())
        at = pc.index_in(pc.utf8_lower(text), value_set=words)
        numbers = pc.coalesce(pa.array(list(values.values()), pa.float64()).take(at), numbers)
    return Read.of(pc.if_else(pc.is_finite(numbers), numbers, nothing), text)


def number_hint(wrong: Sequence[str], table: str, decimal: str, thousands: str | None) -> str:
    """What to write so that these cells are numbers.

    Args:
        wrong: cells that can't be read.
        table: of `mapping.toml` that names their file.
        decimal: as it is set.
        thousands: the same.
    """
    if decimal == "." and any(re.fullmatch(r"[+-]?\d*,\d+", cell) for cell in wrong):
        grouped = all(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", cell) for cell in wrong)
        key = 'thousands = ","' if grouped else 'decimal = ","'
        return f"write {key} under [{table}]"
    if thousands is None:
        for mark, other in ((",", "."), (".", ","), (" ", decimal), ("'", decimal)):
            groups = rf"[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+({re.escape(other)}\d+)?"
            if any(re.fullmatch(groups, cell) for cell in wrong):
                decimals = f'decimal = "{other}" and ' if other != decimal else ""
                return f'write {decimals}thousands = "{mark}" under [{table}]'
    words = [word for word in dict.fromkeys(wrong) if not re.search(r"\d|^[+-]?inf", word.lower())][:5]
    if words:
        pairs = ", ".join(
            f"{word if re.fullmatch('[A-Za-z0-9_-]+', word) else repr(word)} = {number}"
            for word, number in _guessed(words)
        )
        return (
            f"if words are ratings, write values = {{{pairs}}} under [rating], with your numbers; if they stand for"
            f" nothing, write null = [{', '.join(map(repr, words))}] under [{table}]"
        )
    return "check that this is the right column"


def _guessed(words: Sequence[str]) -> list[tuple[str, int]]:
    low = ("false", "no", "dislike", "bad", "down", "negative", "n", "f")
    return sorted(((word, int(word.lower() not in low)) for word in words), key=lambda pair: -pair[1])


def _plain(text: pa.Array, decimal: str, thousands: str | None) -> pa.Array:
    """Numbers in the usual notation, 80 for 80%; what has groups of another size than three digits stays as it is."""
    if thousands is not None:
        groups = rf"^[+-]?[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+({re.escape(decimal)}[0-9]*)?$"
        grouped = pc.match_substring_regex(text, groups)
        text = pc.if_else(pc.fill_null(grouped, False), pc.replace_substring(text, thousands, ""), text)
    if decimal != ".":
        comma = pc.replace_substring(text, decimal, ".")
        # 4.5 in a column of decimal commas is no number: it may be a date, or thousands.
        text = pc.if_else(
            pc.fill_null(pc.match_substring(text, "."), False), pc.binary_join_element_wise(text, "?", ""), comma
        )
    if mask(pc.match_substring(text, "%")).any():
        text = pc.replace_substring_regex(text, _PERCENT, r"\1")
    return text


def whole(numbers: pa.Array, low: int, high: int) -> pa.Array:
    """Numbers as int64; null where they are no whole numbers from `low` to `high`."""
    values = pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False)
    fine = np.isfinite(values) & (values >= low) & (values <= high) & (np.floor(values) == values)
    return pa.array(np.where(fine, values, 0).astype(np.int64), mask=~fine)
