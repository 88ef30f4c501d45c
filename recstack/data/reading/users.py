"""Rows of a table of users: their ids and the attributes that the mapping keeps."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.adapters.mapping_tables import UserTable
from recstack.data.reading.cells import NULL_WORDS, text_of, without_null_words
from recstack.data.reading.ids import words_of
from recstack.data.reading.losses import Losses
from recstack.data.reading.numbers import numbers_of
from recstack.data.reading.rows import Rows
from recstack.data.reading.tables import TableReader


class UserReader:
    """Reads a table of users once."""

    def __init__(self, folder: Path, table: UserTable) -> None:
        """Read this table in the folder."""
        self.losses, self.warnings = Losses(), list[str]()
        self.numeric = set(table.attributes)
        """Attributes all of whose cells are numbers; complete after the last batch."""
        self._folder, self._table = folder, table
        self._words = tuple(table.null) if table.null is not None else NULL_WORDS

    def batches(self) -> Iterator[pa.Table]:
        """(user_id, attributes), all of them words; numbers in the usual notation.

        Raises:
            DataError: the file can't be used as the mapping says.
        """
        reader = TableReader(self._folder, self._table, [self._table.user, *self._table.attributes])
        for rows, values, numeric in reader.map(self._read):
            self.losses.lines_of(rows)
            self.numeric &= numeric
            yield pa.table(values)
        self.warnings += reader.warnings

    def _read(self, rows: Rows) -> tuple[Rows, dict[str, pa.Array], set[str]]:
        table = self._table
        values = {c.USER_ID: words_of(rows.cells[table.user], self._words)}
        numeric = set()
        for name in table.attributes:
            read = numbers_of(rows.cells[name], self._words, decimal=table.decimal, thousands=table.thousands)
            if not read.wrong.any():
                numeric.add(name)
            text = without_null_words(text_of(rows.cells[name]), self._words)
            usual = read.values.cast(pa.string())
            values[name] = (
                pc.if_else(pc.is_valid(usual), usual, text) if table.decimal != "." or table.thousands else text
            )
        return rows, values, numeric
