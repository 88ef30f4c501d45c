"""How the lines of a text file are divided into cells, as its table in `mapping.toml` says or its name suggests."""

import re
from dataclasses import dataclass
from typing import Self

from recstack.data.adapters.mapping_tables import REST, Table


@dataclass(frozen=True)
class Dialect:
    """Separator, quote and escape of a text file."""

    separator: str
    """One character or more, or `SPACES`."""
    quote: str = '"'
    """"" for none."""
    escape: str = ""
    """"" for none."""
    rest: int | None = None
    """Index of a column that takes the rest of its line; None for none."""
    quote_is_said: bool = True
    """Whether the mapping names the quote."""

    @classmethod
    def of(cls, table: Table) -> Self:
        """The dialect of a table."""
        separator = table.separator
        if separator is None:
            separator = "\t" if re.search(r"\.tsv(\.|$)", table.file) else ","
        quote = table.quote
        if quote is None:
            quote = "" if separator == "\t" or len(separator) > 1 else '"'
        last = table.columns[-1] if table.columns else ""
        rest = len(table.columns) - 1 if table.columns and last.endswith(REST) else None
        quote = "" if rest is not None and table.quote is None else quote
        escape = table.escape or ""
        escape = "" if escape == quote else escape  # RFC 4180 doubles quotes anyway
        return cls(separator, quote, escape, rest, table.quote is not None)

    @property
    def is_plain(self) -> bool:
        """Whether cells end at each separator: nothing is quoted or escaped."""
        return not self.quote and not self.escape

    @property
    def fits_arrow(self) -> bool:
        """Whether Arrow's reader knows the separator."""
        return len(self.separator) == 1 and self.separator.isascii() and self.rest is None
