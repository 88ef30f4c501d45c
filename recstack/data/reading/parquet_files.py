"""Rows of Parquet files, some thousands at a time."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recstack.data.adapters.mapping_tables import Table
from recstack.data.reading.rows import Job, Rows
from recstack.data.reading.streams import Part, explained
from recstack.data.reading.text_files import require
from recstack.errors import DataError

_BATCH: Final = 1 << 17


def parquet_jobs(part: Part, table: Table, columns: Sequence[str]) -> Iterator[Job]:
    """Jobs that read the wanted columns; a name with a dot may be a field of a struct.

    Raises:
        DataError: the file is damaged, a column is missing or there twice, or it holds structs.
    """
    if given := table.text_options:
        raise DataError(
            f"{part.name} is a Parquet file, which needs no {' or '.join(given)}: remove it from mapping.toml"
        )
    wanted = [name for name in columns if name not in part.partition]
    with explained(part.path), pq.ParquetFile(part.path) as file:
        schema: pa.Schema = file.schema_arrow
        require(_outer(wanted, schema), schema.names, part.name)
        for name in wanted:
            _require_values(part.name, name, _type_of(schema, name))
        first = 1
        for batch in file.iter_batches(_BATCH, columns=list(dict.fromkeys(wanted)) or None):
            cells = {name: _column(batch, name) for name in wanted}
            lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
            first += batch.num_rows
            yield partial(Rows, part.name, cells, lines, "row")


def parquet_columns(part: Part) -> list[str]:
    """Names of the columns."""
    with explained(part.path), pq.ParquetFile(part.path) as file:
        return list(file.schema_arrow.names)


def _outer(names: Sequence[str], schema: pa.Schema) -> list[str]:
    """The columns that hold these names: a struct for the name of a field of it."""
    return [name if name in schema.names else _struct(name, schema) or name for name in names]


def _struct(name: str, schema: pa.Schema) -> str | None:
    outer, dot, inner = name.partition(".")
    if not dot or outer not in schema.names:
        return None
    type_ = schema.field(outer).type
    return outer if pa.types.is_struct(type_) and type_.get_field_index(inner) >= 0 else None


def _type_of(schema: pa.Schema, name: str) -> pa.DataType:
    if name in schema.names:
        return schema.field(name).type
    outer, _, inner = name.partition(".")
    return schema.field(outer).type.field(inner).type


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch.column(name)
    outer, _, inner = name.partition(".")
    return pa.compute.struct_field(batch.column(outer), inner)


def _require_values(file: str, name: str, type_: pa.DataType) -> None:
    if pa.types.is_struct(type_):
        fields = ", ".join(f"{name}.{type_.field(index).name}" for index in range(type_.num_fields))
        raise DataError(f"{file}: column {name!r} is a struct: name one of its fields, {fields}")
    if pa.types.is_map(type_):
        raise DataError(f"{file}: column {name!r} is a map: write its values as columns of their own")
