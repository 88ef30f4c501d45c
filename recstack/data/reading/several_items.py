"""Rows that hold several items in one cell, as one row for each item."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack.data.adapters.mapping_tables import IN_CELL, SPACES, Log
from recstack.data.reading.cells import text_of
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.rows import Rows


def several_items(rows: Rows, log: Log) -> Rows:
    """One row for each item of a cell, with the parts that `item_pattern` finds in it.

    An item that does not match the pattern is null in all of them; a cell without items has no rows.
    """
    cells = rows.cells[log.item]
    lists = cells if pa.types.is_list(cells.type) or pa.types.is_large_list(cells.type) else _divided(cells, log)
    parents = np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64)
    items = text_of(pc.list_flatten(lists))
    here = np.flatnonzero(pc.not_equal(items, "").fill_null(True).to_numpy(zero_copy_only=False))
    parents, items = parents[here], items.take(pa.array(here))
    found = {log.item: items}
    if log.item_pattern is not None:
        groups = pc.extract_regex(items, pattern=f"^(?:{log.item_pattern})$")
        names = {"item": log.item, "rating": log.rating or "rating", "kind": log.kind or "kind"}
        found = {names[name]: pc.struct_field(groups, name) for name in IN_CELL if log.in_pattern(name)}
    others = {name: column.take(pa.array(parents)) for name, column in rows.cells.items() if name not in found}
    return Rows(rows.part, {**others, **found}, rows.lines[parents], rows.unit, until=rows.until)


def _divided(cells: pa.Array, log: Log) -> pa.ListArray:
    text = text_of(cells)
    separator = log.item_separator or Dialect.of(log).separator
    if separator == SPACES or not separator.strip():
        return pc.utf8_split_whitespace(text)
    return pc.split_pattern(text, separator)
