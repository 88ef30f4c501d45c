"""Cells of a block without quotes: Arrow divides all lines at once."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack.data.adapters.mapping_tables import SPACES
from recstack.data.reading.blocks import Block
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.rows import UNREADABLE, Rows, Unread, shown


def unquoted_rows(block: Block, dialect: Dialect, columns: Mapping[str, int], width: int, part: str) -> Rows:
    """Rows of a block; a short line has null in its missing cells.

    Args:
        block: without quotes.
        dialect: how lines are divided.
        columns: the wanted ones, with their indexes.
        width: how many cells a line may have; a longer one is no row, unless the further cells are empty.
        part: name of the file.
    """
    text = block.data.removesuffix(b"\n").replace(b"\r\n", b"\n").removesuffix(b"\r").decode("utf-8")
    lines = pc.split_pattern(pa.scalar(text, pa.large_string()), "\n").values.cast(pa.string())
    numbers = np.arange(len(lines), dtype=np.int64) + block.line
    cells = _divided(lines, dialect)
    offsets = cells.offsets.to_numpy().astype(np.int64)
    lengths = np.diff(offsets)
    blank = pc.equal(pc.ascii_trim_whitespace(lines) if dialect.separator != "\t" else lines, "")
    kept = ~blank.to_numpy(zero_copy_only=False)
    unread = []
    for at in np.flatnonzero((lengths > width) & kept).tolist():
        if any(cell.strip() for cell in cells[at].as_py()[width:]):
            kept[at] = False
            unread.append(Unread(UNREADABLE, int(numbers[at]), _too_long(int(lengths[at]), width, lines[at])))
    index = np.flatnonzero(kept)
    flat, begins, counts = cells.values, offsets[:-1][index], lengths[index]
    found = {name: flat.take(pa.array(begins + at, mask=counts <= at)) for name, at in columns.items()}
    quoted = 0 if dialect.quote_is_said or dialect.quote or '"' not in text else _quoted_cells(found)
    return Rows(part, found, numbers[index], unread=unread, until=block.until, quoted_cells=quoted)


def _quoted_cells(cells: Mapping[str, pa.Array]) -> int:
    pattern = r'^".*"$'
    return sum(pc.sum(pc.match_substring_regex(column, pattern)).as_py() or 0 for column in cells.values())


def _divided(lines: pa.StringArray, dialect: Dialect) -> pa.ListArray:
    most = dialect.rest
    if dialect.separator == SPACES:
        return pc.utf8_split_whitespace(pc.utf8_trim_whitespace(lines), max_splits=most)
    return pc.split_pattern(lines, dialect.separator, max_splits=most)


def _too_long(found: int, width: int, line: pa.StringScalar) -> str:
    return f"{found} cells, but the header has {width}: {shown(line.as_py())}"
