"""Rows of a catalogue as items, in the columns of the contract."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from recstack import columns as c
from recstack.data.adapters.mapping_tables import ItemTable
from recstack.data.reading.cells import NULL_WORDS, Read, text_of, without_null_words
from recstack.data.reading.columns_read import Columns, Readability
from recstack.data.reading.genres import genres_of
from recstack.data.reading.ids import IdForms, forms_of, id_hint, numbers_of_words, words_of
from recstack.data.reading.log import HIGHEST, LINE, PART, ROW_NUMBER
from recstack.data.reading.losses import Losses
from recstack.data.reading.numbers import numbers_of, whole
from recstack.data.reading.rows import Rows, shown
from recstack.data.reading.tables import TableReader

_NUMBERS: Final = {c.YEAR: pa.int32(), c.EPISODES: pa.int32(), c.MEAN_SCORE: pa.float32()}
_MOST: Final = 2**31 - 1


@dataclass
class ItemFacts:
    """What a catalogue holds; complete after its last batch."""

    rows: int = 0
    losses: Losses = field(default_factory=Losses)
    forms: IdForms = field(default_factory=IdForms)
    warnings: list[str] = field(default_factory=list)


class ItemReader:
    """Reads a catalogue once."""

    def __init__(self, folder: Path, table: ItemTable, text_ids: frozenset[str] | None) -> None:
        """Read this table in the folder; `text_ids` as the mapping has it."""
        self.facts = ItemFacts()
        self._folder, self._table, self._text_ids = folder, table, text_ids
        self._words = tuple(table.null) if table.null is not None else NULL_WORDS

    def batches(self) -> Iterator[pa.Table]:
        """Items with `ROW_NUMBER`, `PART` and `LINE`; ids as in `log.LogReader`.

        Raises:
            DataError: the file can't be used as the mapping says.
        """
        table, facts = self._table, self.facts
        names = (table.item, table.title, table.genres, table.year, table.type, table.episodes, table.mean_score)
        reader = TableReader(self._folder, table, [name for name in names if name is not None])
        readability, optional = Readability(), _Optional()
        for columns, forms, unread in reader.map(self._read):
            readability.check(columns)
            optional.add(unread, columns)
            facts.losses.add(columns.losses)
            facts.forms.add(forms)
            rows = columns.rows
            numbers = np.arange(facts.rows, facts.rows + len(rows), dtype=np.int64)
            facts.rows += len(rows)
            part = pa.array([rows.part] * len(rows), pa.string())
            yield pa.table({**columns.values, ROW_NUMBER: numbers, PART: part, LINE: rows.lines})
        facts.warnings += [*reader.warnings, *optional.warnings]

    def _read(self, rows: Rows) -> tuple[Columns, IdForms, dict[str, str]]:
        table, columns = self._table, Columns(rows)
        columns.losses.lines_of(rows)
        words = words_of(rows.cells[table.item], self._words)
        forms = forms_of(words, HIGHEST["item"], rows) if self._text_ids is None else IdForms()
        if self._text_ids is not None and "item" not in self._text_ids:
            read = numbers_of_words(words)
            columns.add(c.ITEM_ID, table.item, read, "null_id", "whole number", lambda _: id_hint("item"))
        else:
            columns.add(c.ITEM_ID, table.item, Read.all_of(words), "null_id", "id", str)
        own = tuple(table.null or ())  # a film may be called "Nan" or "None"
        columns.values[c.TITLE] = self._text(rows, table.title, (*own, "NULL", "\\N"))
        cells = self._cells(rows, table.genres)
        columns.values[c.GENRES] = genres_of(cells, table.genre_separator, self._words)
        columns.values[c.TYPE] = self._text(rows, table.type, self._words)
        unread: dict[str, str] = {}
        for fact, name in ((c.YEAR, table.year), (c.EPISODES, table.episodes), (c.MEAN_SCORE, table.mean_score)):
            self._add_number(columns, fact, name, unread)
        return columns, forms, unread

    def _add_number(self, columns: Columns, fact: str, name: str | None, unread: dict[str, str]) -> None:
        cells, table = self._cells(columns.rows, name), self._table
        read = numbers_of(cells, self._words, decimal=table.decimal, thousands=table.thousands)
        values = read.values if fact == c.MEAN_SCORE else whole(read.values, 1, _MOST)
        columns.values[fact] = values.cast(_NUMBERS[fact])
        if name is not None and values.null_count < len(values):
            columns.readable.add(name)
        elif name is not None and read.wrong.any():
            index = int(np.argmax(read.wrong))
            wanted = "number" if fact == c.MEAN_SCORE else "whole number"
            unread[name] = f"{columns.rows.location(index)}: {name} {shown(read.text[index].as_py())} is no {wanted}"

    def _cells(self, rows: Rows, name: str | None) -> pa.Array:
        return pa.nulls(len(rows), pa.string()) if name is None else rows.cells[name]

    def _text(self, rows: Rows, name: str | None, null_words: tuple[str, ...]) -> pa.Array:
        return without_null_words(text_of(self._cells(rows, name)), null_words)


class _Optional:
    """Warns of columns that no cell can be read of: items do without them."""

    def __init__(self) -> None:
        self._unread: dict[str, str] = {}
        self._read: set[str] = set()

    def add(self, unread: dict[str, str], columns: Columns) -> None:
        self._unread = {**unread, **self._unread}
        self._read |= columns.readable

    @property
    def warnings(self) -> list[str]:
        return [f"{why}; no item has a {name}" for name, why in self._unread.items() if name not in self._read]
