"""What of a table could not be read: lines and cells, counted by reason, with one example of each."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from recstack.data.reading.cells import Mask, Read
from recstack.data.reading.rows import Rows, shown

MOST_LOST: Final = 0.01
"""Share of the rows of a table that may be rejected without anyone saying that this is right."""
UNKNOWN_KIND: Final = "unknown_kind"
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

    def remarks(self, table: str) -> list[str]:
        """Sentences about rows that were read although their quotes break a rule; `table` is one of `mapping.toml`."""
        found = []
        if self.odd_quotes:
            found.append(
                f"in {_counted(self.odd_quotes, 'row')} of [{table}] a quote is not closed or not doubled, and is read"
                ' as it is; if quotes are ordinary characters, write quote = ""'
            )
        if self.quoted_cells:
            found.append(
                f"around {_counted(self.quoted_cells, 'cell')} of [{table}] stand quotes, which are taken as characters"
                '; if they are not, write quote = \'"\'; if they are, quote = ""'
            )
        return found

    def add(self, other: "Losses") -> None:
        """Add those of later rows."""
        for reason, rows in other.lines.items():
            self.lines[reason] = self.lines.get(reason, 0) + rows
        self.examples = {**other.examples, **self.examples}
        self.odd_quotes += other.odd_quotes
        self.quoted_cells += other.quoted_cells


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count > 1 else ''}"
