"""Cells that hold genres: a list, words with a separator, or a list written as text."""

import ast
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from recstack.data.reading.cells import NO_GENRES


def genres_of(cells: pa.Array, separator: str, null_words: tuple[str, ...]) -> pa.Array:
    """Lists of words; null where a cell holds none.

    Args:
        cells: text, or lists of Parquet or JSON.
        separator: between words of a cell of text.
        null_words: words that stand for no genre, beside `cells.NO_GENRES`.
    """
    blank = {*null_words, *NO_GENRES, ""}
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_list(cells.type) or pa.types.is_large_list(cells.type):
        return pa.array([_known(cell, blank) for cell in cells.to_pylist()], pa.list_(pa.string()))
    encoded = cells.cast(pa.string()).dictionary_encode()
    lists = [_known(_divided(cell, separator), blank) for cell in encoded.dictionary.to_pylist()]
    return pa.array(lists, pa.list_(pa.string())).take(encoded.indices)


def _known(words: Iterable[Any] | None, blank: set[str]) -> list[str] | None:
    known = [str(word) for word in words or () if word is not None and str(word).strip() not in blank]
    return known or None


def _divided(cell: str, separator: str) -> list[str]:
    """Words of a cell, also of ['Drama', 'War'] and of [{'id': 18, 'name': 'Drama'}]."""
    text = cell.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [word.strip(" '\"") for word in text[1:-1].split(",")]
        return [str(word.get("name", word) if isinstance(word, dict) else word) for word in found]
    return text.split(separator)
