"""Cells of some rows read as the columns of a table, with what could not be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa

from recstack.data.reading.cells import Read
from recstack.data.reading.losses import Losses
from recstack.data.reading.rows import Rows, shown
from recstack.errors import DataError

Hint = Callable[[Sequence[str]], str]
"""Says what to write so that cells can be read."""


@dataclass
class Columns:
    """Typed columns of some rows."""

    rows: Rows
    values: dict[str, pa.Array] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)
    unreadable: dict[str, str] = field(default_factory=dict)
    """For each column none of whose cells can be read though some hold something: what to say."""
    readable: set[str] = field(default_factory=set)
    """Columns of which a cell could be read."""

    def add(self, name: str, column: str, read: Read, reason: str, wanted: str, hint: Hint) -> None:
        """Take a column.

        Args:
            name: in the result.
            column: in the file.
            read: its cells.
            reason: for which the contract rejects a row without it.
            wanted: what a cell should be.
            hint: what to do otherwise.
        """
        self.values[name] = read.values
        if read.values.null_count:
            wrong = [read.text[index].as_py() for index in islice(np.flatnonzero(read.wrong).tolist(), 50)]
            advice = f"; {hint(wrong)}" if wrong else ""
            self.losses.cells(reason, self.rows, column, read, f"{wanted}{advice}")
            if not read.any_read:
                text = (
                    f"{self.rows.part}: column {column!r} holds {shown(wrong[0])}, which is no {wanted}; {hint(wrong)}"
                )
                self.unreadable[column] = text
        if read.values.null_count < len(read.values):
            self.readable.add(column)


class Readability:
    """Refuses a table one of whose columns begins with many cells of which none can be read: the mapping is wrong."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._settled: set[str] = set()

    def check(self, columns: Columns) -> None:
        """Look at the next rows.

        Raises:
            DataError: none of the first cells of a column can be read.
        """
        self._settled |= columns.readable
        for column, message in columns.unreadable.items():
            if column not in self._settled:
                raise DataError(message)
