"""Rows that Python computes from all events of a user, as a Spark frame or as Parquet files that tasks write."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import DataFrame

from recstack import columns as c

GROUP_BYTES = 32 << 20
"""Size in memory of a Parquet row group."""


@dataclass(frozen=True)
class UserRows:
    """What `compute` makes of whole users; nothing runs before `frame` is read or `write` is called."""

    events: DataFrame
    """All events of a user in one partition, in the order in which `compute` expects them."""
    compute: Callable[[pa.Table], pa.Table]
    schema: pa.Schema
    """Of the rows that `compute` returns."""
    chunk: int
    """About how many events `compute` is given at once, which bounds the memory of a task."""

    def frame(self) -> DataFrame:
        """The rows as a Spark frame."""
        compute, size = self.compute, self.chunk  # tasks get these: a frame cannot be sent to them

        def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for chunk in _whole_users(batches, size):
                yield from compute(chunk).to_batches()

        spark_schema = self.events.sparkSession.createDataFrame(self.schema.empty_table()).schema
        spark_schema = self.events.sparkSession.createDataFrame(self.schema.empty_table()).schema
        return self.events.mapInArrow(rows, spark_schema)

    def write(self, folder: Path) -> None:
        """Write the rows as Parquet files, one a task, into a new folder that all machines share.

        Spark would take each vector apart twice, to get it from Python and to write it
        (benchmarks/user_genre_profile.py measures it). Each attempt of a task writes a hidden file of its own; the
        files of the attempts that Spark accepts then get their names.

        Raises:
            FileExistsError: the folder exists.
        """
        folder.mkdir(parents=True)
        compute, size, schema, group_bytes = self.compute, self.chunk, self.schema, GROUP_BYTES

        def write_part(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            task: Any = TaskContext.get()
            name = f"part-{task.partitionId():05}.parquet"
            draft = folder / f".{task.taskAttemptId()}-{name}"
            with pq.ParquetWriter(draft, schema) as file:
                for group in _groups(map(compute, _whole_users(batches, size)), group_bytes):
                    file.write_table(group)
            yield pa.RecordBatch.from_pydict({"draft": [draft.name], "name": [name]})

        parts = self.events.mapInArrow(write_part, "draft string, name string").collect()
        for part in parts:
            (folder / part["draft"]).rename(folder / part["name"])
        if not parts:  # Spark has no task for no events, but readers need a schema
            pq.write_table(schema.empty_table(), folder / "part-00000.parquet")
        for abandoned in folder.glob(".*"):
            abandoned.unlink()


def _groups(tables: Iterable[pa.Table], least: int) -> Iterator[pa.Table]:
    """Concatenate tables until they have `least` bytes."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        if size >= least:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _whole_users(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Regroup a partition's batches into tables of about `rows` rows that never divide a user."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(len(b) for b in held) < rows:
            continue
        table = pa.Table.from_batches(held)
        users = table[c.USER_ID].to_numpy()
        border = int(np.searchsorted(users, users[-1]))
        if border:
            yield table.slice(0, border)
        held = table.slice(border).to_batches()
    if held:
        yield pa.Table.from_batches(held)
