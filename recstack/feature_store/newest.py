"""Finds the newest row of every entity in Parquet files and reads these rows in batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

MEMORY = "512MB"
"""Memory of the search for the newest rows; beyond it DuckDB writes to a temporary folder."""
BATCH_ROWS = 2048
"""Least rows of a batch."""
_READ_BUFFER = 1 << 20

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """Parquet files, and the columns that decide which row is newest."""

    files: tuple[Path, ...]
    key: str
    timestamp: str
    created: str | None
    """Column that decides between rows with the same timestamp, if there is one."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Name of a column in the view → its name in the files, where they differ."""

    def stored(self, name: str) -> str:
        """Name of a column in the files."""
        return self.given.get(name, name)


@dataclass(frozen=True)
class Newest(Iterable[pa.RecordBatch]):
    """The newest row of every entity, read anew at each iteration."""

    source: Source
    chosen: Mapping[Path, Mask]
    """For each file which of its rows are the newest of their entities."""
    columns: Sequence[str]

    @property
    def rows(self) -> int:
        """How many rows all batches have together."""
        return sum(int(mask.sum()) for mask in self.chosen.values())

    def thinned(self, every: int) -> "Newest":
        """Only one in `every` of the rows, from all files."""
        chosen = {}
        for path, mask in self.chosen.items():
            chosen[path] = np.zeros_like(mask)
            chosen[path][np.flatnonzero(mask)[::every]] = True
        return Newest(self.source, chosen, self.columns)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        waiting: list[pa.RecordBatch] = []
        for path, chosen in self.chosen.items():
            for batch in _batches(path, chosen, [self.source.stored(name) for name in self.columns]):
                waiting.append(batch)
                if sum(map(len, waiting)) >= BATCH_ROWS:
                    yield _joined(waiting, self.columns)
                    waiting = []
        if waiting:
            yield _joined(waiting, self.columns)


def newest(source: Source, columns: Sequence[str]) -> Newest:
    """Find the newest row of every entity.

    Of two rows with the same timestamp, and the same creation time, the one further on in the files counts. The search
    reads keys and timestamps only.

    Returns:
        Batches of at least `BATCH_ROWS` rows of `columns`, but for the last one, in the order of the files.
    """
    return Newest(source, _chosen(source), columns)


def _chosen(source: Source) -> dict[Path, Mask]:
    masks = {path: np.zeros(pq.read_metadata(path).num_rows, dtype=bool) for path in source.files}
    order = [f"{_quoted(source.timestamp)} DESC", "filename DESC", "file_row_number DESC"]
    if source.created:
        order.insert(1, f"{_quoted(source.created)} DESC NULLS LAST")
    window = f"PARTITION BY {_quoted(source.stored(source.key))} ORDER BY {', '.join(order)}"
    query = f"""
        SELECT filename, file_row_number FROM (
            SELECT filename, file_row_number, row_number() OVER ({window}) AS newest_first
            FROM read_parquet($files, filename = true, file_row_number = true))
        WHERE newest_first = 1"""
    values = {"files": [str(path) for path in source.files]}
    with duckdb.connect(config={"memory_limit": MEMORY, "preserve_insertion_order": "false"}) as engine:
        for batch in engine.execute(query, values).to_arrow_reader(100_000):
            names = batch["filename"].dictionary_encode()
            codes, rows = names.indices.to_numpy(), batch["file_row_number"].to_numpy()
            for code, name in enumerate(names.dictionary.to_pylist()):
                masks[Path(name)][rows[codes == code]] = True
    return masks


def _batches(path: Path, chosen: Mask, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read the chosen rows of a file; row groups without any are skipped."""
    with pq.ParquetFile(path, buffer_size=_READ_BUFFER, pre_buffer=False) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        parts = np.split(chosen, np.cumsum(sizes)[:-1]) if sizes else []
        groups = [number for number, part in enumerate(parts) if part.any()]
        if not groups:
            return
        wanted = np.concatenate([parts[number] for number in groups])
        first = 0
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns, use_threads=False):
            here = wanted[first : first + len(batch)]
            first += len(batch)
            if here.any():
                kept = batch if here.all() else batch.filter(pa.array(here))
                yield kept.select(columns)


def _joined(batches: list[pa.RecordBatch], names: Sequence[str]) -> pa.RecordBatch:
    rows = pa.concat_batches(batches) if len(batches) > 1 else batches[0]
    return pa.RecordBatch.from_arrays(rows.columns, names=list(names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
