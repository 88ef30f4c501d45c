"""Ids of users and items: words by default, numbers where they clearly are, and never through a float."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack.data.reading.cells import Mask, Read, mask, text_of, without_null_words
from recstack.data.reading.rows import Rows, shown

Kind = Literal["user", "item"]

_CANONICAL: Final = r"^(0|[1-9][0-9]{0,18})$"
_ZEROS: Final = r"^0[0-9]+(\.0+)?$"
_NUMBER: Final = r"^-?[0-9]{1,19}(\.0+)?$"
_LARGEST: Final = str(2**63 - 1)
_EXACT: Final = 2**53
"""From here on a float is no exact whole number."""
MOST_OTHERS: Final = 0.01
"""Ids are clearly numbers if at most this share of them is none."""


@dataclass
class IdForms:
    """How many cells of an id column are numbers, and an example of each other form, with its place."""

    numbers: int = 0
    others: int = 0
    """Words, and numbers that do not fit."""
    with_zeros: int = 0
    """Digits with a zero before them, such as 007."""
    with_point: int = 0
    """Numbers such as 12.0, as pandas writes 12 where a number is missing."""
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Cell and place of the first one of "others" and of "with_zeros"."""

    def add(self, other: "IdForms") -> None:
        """Count further cells."""
        self.numbers += other.numbers
        self.others += other.others
        self.with_zeros += other.with_zeros
        self.with_point += other.with_point
        self.examples = {**other.examples, **self.examples}

    @property
    def are_numbers(self) -> bool:
        """Whether all but a few are digits without leading zeros, in range."""
        return not self.with_zeros and self.others <= MOST_OTHERS * (self.numbers + self.others)


def words_of(cells: pa.Array, null_words: tuple[str, ...]) -> pa.Array:
    """Ids as words; null where nothing stands."""
    text = text_of(cells)
    if pa.types.is_floating(cells.type):
        text = pc.if_else(pc.is_nan(cells), pa.scalar(None, pa.string()), _float_text(cells, text))
    return without_null_words(text, null_words)


def numbers_of_words(words: pa.Array) -> Read:
    """Words as int64: digits, with a point and zeros behind or not; null where it is none, or does not fit."""
    matched = pc.if_else(pc.match_substring_regex(words, _NUMBER), words, pa.scalar(None, pa.string()))
    if mask(pc.match_substring(matched, ".")).any():
        matched = pc.replace_substring_regex(matched, r"\.0+$", "")
    return Read.of(_fitting(matched).cast(pa.int64()), words)


def forms_of(words: pa.Array, highest: int, rows: Rows) -> IdForms:
    """Count the forms of ids.

    Args:
        words: see `words_of`.
        highest: largest number that fits.
        rows: where they stand.
    """
    known = mask(pc.is_valid(words))
    pointed = mask(pc.match_substring(words, ".0"))
    plain = pc.replace_substring_regex(words, r"\.0+$", "") if pointed.any() else words
    canonical = mask(pc.match_substring_regex(plain, _CANONICAL))
    if canonical.any():
        numbers = _fitting(pc.if_else(pa.array(canonical), plain, pa.scalar("0"))).cast(pa.int64())
        canonical &= mask(pc.less_equal(numbers, highest))
    zeros = known & ~canonical & mask(pc.match_substring_regex(words, _ZEROS))
    others = known & ~canonical & ~zeros
    examples = {}
    for name, where in (("others", others), ("with_zeros", zeros)):
        if where.any():
            index = int(np.argmax(where))
            examples[name] = (words[index].as_py(), rows.location(index))
    counts = (canonical, others, zeros, canonical & pointed)
    numbers, words, with_zeros, with_point = (int(each.sum()) for each in counts)
    return IdForms(numbers, words, with_zeros, with_point, examples)


def id_hint(kind: Kind) -> str:
    """What to write so that ids are read as words."""
    return f'if the ids are words, write text_ids = ["{kind}"] at the top of mapping.toml'


def chosen(declared: frozenset[str] | None, forms: Mapping[Kind, IdForms], kind: Kind) -> tuple[bool, str]:
    """Whether ids of a kind are words, and a remark about it for people, or "".

    Args:
        declared: `text_ids` of the mapping.
        forms: of the kinds, where nothing is declared.
        kind: "user" or "item".
    """
    if declared is not None:
        return kind in declared, ""
    found = forms[kind]
    if found.are_numbers:
        return False, ""
    why = "with_zeros" if found.with_zeros else "others"
    cell, where = found.examples[why]
    what = "begins with a zero" if found.with_zeros else "is no number from 0 on that fits"
    return True, (
        f"the ids of {kind}s are read as words, because {shown(cell)} ({where}) {what}; write"
        f' text_ids = ["{kind}"] to say so, or text_ids = [] to read numbers'
    )


def _fitting(digits: pa.Array) -> pa.Array:
    """Whole numbers as text, null where they do not fit into 64 bits."""
    long = pc.greater(pc.utf8_length(digits), len(_LARGEST) - 1)
    if not mask(long).any():
        return digits
    fits = pc.or_(pc.invert(long), pc.less_equal(pc.utf8_lpad(digits, len(_LARGEST), "0"), _LARGEST))
    return pc.if_else(fits, digits, pa.scalar(None, pa.string()))


def _float_text(cells: pa.Array, text: pa.Array) -> pa.Array:
    """Whole floats of Parquet in digits, where they are exact; others as they are written."""
    values = np.nan_to_num(cells.cast(pa.float64()).to_numpy(zero_copy_only=False), nan=0.5, posinf=0.5, neginf=0.5)
    exact: Mask = (np.floor(values) == values) & (np.abs(values) < _EXACT)
    digits = pc.binary_join_element_wise(
        pa.array(np.where(exact, values, 0).astype(np.int64)).cast(pa.string()), pa.scalar("0"), "."
    )
    return pc.if_else(pa.array(exact), digits, text)
