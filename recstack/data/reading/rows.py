"""Rows of a file as cells by column, with the place of each row for messages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

UNREADABLE: Final = "unreadable_line"
"""Reason of lines that have another number of cells than the header, or quotes that do not close."""
UNDECODABLE: Final = "undecodable_line"
"""Reason of lines that hold bytes which mean nothing in the file's encoding."""


class Unread(NamedTuple):
    """A line that is no row."""

    reason: str
    line: int
    """Number of the line, from 1."""
    why: str
    """What is wrong, and what to do."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, in their order."""

    part: str
    """Name of the file."""
    cells: dict[str, pa.Array]
    """The wanted columns by name, all of one length: text, or what Parquet holds."""
    lines: Ints
    """[n] numbers of the lines at which the rows begin, or of the rows themselves; from 1."""
    unit: str = "line"
    """"line" or "row"."""
    unread: list[Unread] = field(default_factory=list)
    until: int = 0
    """Number of the line after the last one that was read."""
    odd_quotes: int = 0
    """Rows with a quote that is none by the rules, taken as it is."""
    quoted_cells: int = 0
    """Cells that stand in quotes, where quotes are ordinary characters and nobody has said so."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def kept(self, keep: npt.NDArray[np.bool_]) -> "Rows":
        """The rows for which `keep` is true; what was counted stays out."""
        if keep.all():
            return self
        cells = {name: column.filter(pa.array(keep)) for name, column in self.cells.items()}
        return Rows(self.part, cells, self.lines[keep], self.unit, until=self.until)

    def location(self, index: int) -> str:
        """Where a row is, such as "log.csv, line 17"."""
        return f"{self.part}, {self.unit} {self.lines[index]:,}"


Job = Callable[[], Rows]
"""Reads some rows when it is called; several may be called at the same time."""


def shown(cell: object) -> str:
    """A cell for a message, in quotes, on one line and not too long."""
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(cell)[:80])
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}…'"


def listed(names: list[str]) -> str:
    """Names of columns for a message, not too many."""
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names[:30]]
    return ", ".join(short) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
