"""Cells of a block with quotes: by Arrow where they keep RFC 4180, else as `lenient` divides them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from recstack.data.reading.blocks import Block
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.lenient import Record, parse
from recstack.data.reading.rows import UNREADABLE, Rows, Unread, shown


def quoted_rows(block: Block, dialect: Dialect, columns: Mapping[str, int], width: int, part: str) -> Rows:
    """Rows of a block with quotes; see `unquoted_rows`."""
    if block.records is not None:
        return _of_records(block, block.records, dialect, columns, width, part)
    if (table := _by_arrow(block, dialect, columns, width)) is not None:
        cells = {name: table[str(at)].combine_chunks() for name, at in columns.items()}
        return Rows(part, cells, block.starts + block.line, until=block.until)
    records, _ = parse(block.data.decode("utf-8"), dialect, final=True)
    return _of_records(block, records, dialect, columns, width, part)


def _by_arrow(block: Block, dialect: Dialect, columns: Mapping[str, int], width: int) -> pa.Table | None:
    """The wanted columns by their indexes; None if a line has another number of cells."""
    uneven = []

    def skip(row: pa_csv.InvalidRow) -> str:
        uneven.append(row.actual_columns)
        return "skip"

    wanted = [str(at) for at in columns.values()]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block.data),
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=len(block.data) + 1, column_names=[str(at) for at in range(width)]
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote,
                escape_char=dialect.escape or False,
                newlines_in_values=True,
                invalid_row_handler=skip,
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:  # blank lines alone, or a carriage return that ends no line
        return None
    return table if not uneven and table.num_rows == len(block.starts) else None


def _of_records(
    block: Block, records: list[Record], dialect: Dialect, columns: Mapping[str, int], width: int, part: str
) -> Rows:
    kept, unread = [], []
    for record in records:
        if wrong := _wrong(record, width, dialect):
            unread.append(Unread(UNREADABLE, block.line + record.line, wrong))
        else:
            kept.append(record)
    cells = {
        name: pa.array([each.cells[at] if at < len(each.cells) else None for each in kept], pa.string())
        for name, at in columns.items()
    }
    lines = np.array([block.line + each.line for each in kept], np.int64)
    odd = sum(each.odd_quotes for each in kept)
    return Rows(part, cells, lines, unread=unread, until=block.until, odd_quotes=odd)


def _wrong(record: Record, width: int, dialect: Dialect) -> str:
    """Why a record is no row; empty if it is one."""
    text = shown(dialect.separator.join(record.cells))
    if record.escaped_quotes and not dialect.escape:
        return f"a backslash before a quote, which ends the cell: {text}; write escape = '\\'"
    if len(record.cells) > width and any(cell.strip() for cell in record.cells[width:]):
        hint = "; a quote in it is not closed, or not doubled inside a cell" if record.odd_quotes else ""
        return f"{len(record.cells)} cells, but the header has {width}: {text}{hint}"
    if record.odd_quotes and len(record.cells) < width:
        return f'a quote that is not closed: {text}; if quotes are ordinary characters, write quote = ""'
    return ""
