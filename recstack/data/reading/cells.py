"""Cells as text, and which of them hold nothing."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

NULL_WORDS: Final = ("", "NULL", "Null", "null", "None", "none", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "<NA>", "\\N")
"""What stands for "nothing" in a cell, unless `null` of the table names other words; titles are exempt."""
NO_GENRES: Final = ("(no genres listed)", "[]")
"""What stands for no genre at all, beside `NULL_WORDS`."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Read:
    """Cells of a column as values, and which of them hold something that can't be read."""

    values: pa.Array
    """[n] null where nothing stands or nothing can be read."""
    wrong: Mask
    """[n] whether something stands there that can't be read."""
    text: pa.Array
    """[n] the cells as text; of a column of Parquet, whose type says what they are, the values themselves."""

    @classmethod
    def of(cls, values: pa.Array, text: pa.Array) -> Self:
        """Values of a column of text, whose cells that hold nothing are null."""
        return cls(values, mask(pc.and_(pc.is_null(values), pc.is_valid(text))), text)

    @classmethod
    def all_of(cls, values: pa.Array) -> Self:
        """Values all of which could be read."""
        return cls(values, np.zeros(len(values), np.bool_), values)

    @property
    def any_read(self) -> bool:
        """Whether a cell could be read, or none of them holds anything."""
        return not self.wrong.any() or self.values.null_count < len(self.values)


def text_of(cells: pa.Array) -> pa.Array:
    """Cells of any type as trimmed text; numbers in decimal digits. Nulls stay null."""
    type_ = cells.type
    if pa.types.is_dictionary(type_):
        return text_of(cells.dictionary_decode())
    if pa.types.is_null(type_):
        return cells.cast(pa.string())
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        values = [None if cell is None else cell.decode("utf-8", "replace").strip() for cell in cells.to_pylist()]
        return pa.array(values, pa.string())
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.array([None if cell is None else str(cell) for cell in cells.to_pylist()], pa.string())
    text = cells if pa.types.is_string(type_) else cells.cast(pa.string())
    return pc.utf8_trim_whitespace(text)


def without_null_words(text: pa.Array, words: tuple[str, ...]) -> pa.Array:
    """Text with null in place of these words and of empty cells."""
    known = pa.array(sorted({"", *words}), pa.string())
    return pc.if_else(pc.is_in(text, value_set=known), pa.scalar(None, pa.string()), text)


def mask(values: pa.Array) -> Mask:
    """Booleans for NumPy; null is false."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), np.bool_)


def is_number(type_: pa.DataType) -> bool:
    """Whether a column of Parquet holds numbers."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))
