"""What of a table could not be read: lines and cells, counted by reason, with one example of each."""

from dataclasses import dataclass, field

import numpy as np

from recstack.data.reading.cells import Mask, Read
from recstack.data.reading.rows import Rows, shown

UNKNOWN_KIND = "unknown_kind"
"""Reason of events whose kind `[kinds]` does not name."""


@dataclass
class Losses:
    """Counts and examples of one table; of two rows of a reason the first is the example."""

    lines: dict[str, int] = field(default_factory=dict)
    """Rows that are lost before the contract sees them, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """Where a reason was met first, what is there, and what was expected; also of cells that the contract counts."""
    odd_quotes: int = 0
    """Rows with a quote that keeps no rule and was taken as it is."""
    quoted_cells: int = 0
    """Cells in quotes that were taken as they are, because nobody has said what quotes mean."""

    def lines_of(self, rows: Rows) -> None:
        """Count the lines that are no rows."""
        for each in rows.unread:
            self.count(each.reason, 1, f"{rows.part}, line {each.line:,}: {each.why}")
        self.odd_quotes += rows.odd_quotes
        self.quoted_cells += rows.quoted_cells

    def count(self, reason: str, rows: int, example: str) -> None:
        """Count rows that are lost."""
        if rows:
            self.lines[reason] = self.lines.get(reason, 0) + rows
            self.examples.setdefault(reason, example)

    def cells(self, reason: str, rows: Rows, column: str, read: Read, wanted: str) -> None:
        """Remember the first cell that holds no value: the contract counts its row."""
        if reason in self.examples or not read.values.null_count:
            return
        if read.wrong.any():
            index = int(np.argmax(read.wrong))
            self.examples[reason] = f"{rows.location(index)}: {column} {shown(read.text[index].as_py())} is no {wanted}"
            return
        missing: Mask = np.asarray(read.values.is_null().to_numpy(zero_copy_only=False))
        self.examples[reason] = f"{rows.location(int(np.argmax(missing)))}: {column} is empty"

    def add(self, other: "Losses") -> None:
        """Add those of later rows."""
        for reason, rows in other.lines.items():
            self.lines[reason] = self.lines.get(reason, 0) + rows
        self.examples = {**other.examples, **self.examples}
        self.odd_quotes += other.odd_quotes
        self.quoted_cells += other.quoted_cells
