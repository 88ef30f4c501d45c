"""Writes what was read of a dataset's files as Parquet, for Spark; a folder of its own for each ingest."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import ItemTable, UserTable
from recstack.data.reading.ids import IdForms, Kind
from recstack.data.reading.items import ItemFacts, ItemReader
from recstack.data.reading.log import LINE, PART, ROW_NUMBER, LogFacts, LogReader
from recstack.data.reading.losses import Losses
from recstack.data.reading.users import UserReader
from recstack.errors import DataError
from recstack.progress import working


@dataclass
class Staging:
    """The tables of one dataset, each read once."""

    folder: Path
    words_before: frozenset[Kind] = frozenset()
    """Whose ids were words in the version before: they stay words, unless the mapping says otherwise."""
    losses: dict[str, Losses] = field(default_factory=dict)
    """By "interactions" and "items"."""
    warnings: list[str] = field(default_factory=list)
    logs: dict[Path, LogFacts] = field(default_factory=dict)
    """Facts of each log, by the Parquet file that holds its rows."""
    items_read: dict[Path, ItemFacts] = field(default_factory=dict)
    """The same of catalogues."""
    _done: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=count)

    def log(self, source: Path, mapping: Mapping) -> tuple[Path, LogFacts]:
        """The Parquet file of a log's rows (see `log.LogReader`), and its facts.

        Raises:
            DataError: the log can't be used as the mapping says.
        """
        key = ("log", source, mapping.interactions.file)
        if key not in self._done:
            reader = LogReader(source, mapping, sum(facts.rows for facts in self.logs.values()))
            path = self.write(reader.batches(), "interactions", mapping.interactions.file)
            self._keep("interactions", reader.facts.losses, reader.facts.warnings)
            self.logs[path] = reader.facts
            self._done[key] = path, reader.facts
        found: tuple[Path, LogFacts] = self._done[key]
        return found

    def items(self, source: Path, table: ItemTable, text_ids: frozenset[Kind] | None) -> tuple[Path, ItemFacts]:
        """The same for a catalogue."""
        key = ("items", source, table.file)
        if key not in self._done:
            reader = ItemReader(source, table, text_ids)
            path = self.write(reader.batches(), "items", table.file)
            self._keep("items", reader.facts.losses, reader.facts.warnings)
            self.items_read[path] = reader.facts
            self._done[key] = path, reader.facts
        found: tuple[Path, ItemFacts] = self._done[key]
        return found

    def users(self, source: Path, table: UserTable) -> tuple[Path, set[str]]:
        """The Parquet file of a table of users, and the names of its attributes that are numbers."""
        reader = UserReader(source, table)
        path = self.write(reader.batches(), "users", table.file)
        self._keep("users", reader.losses, reader.warnings)
        return path, reader.numeric

    def forms(self) -> dict[Kind, IdForms]:
        """How the ids of all tables are written."""
        forms: dict[Kind, IdForms] = {"user": IdForms(), "item": IdForms()}
        for facts in self.logs.values():
            for kind in forms:
                forms[kind].add(facts.forms[kind])
        for catalogue in self.items_read.values():
            forms["item"].add(catalogue.forms)
        return forms

    def row(self, table: str, number: int) -> dict[str, Any] | None:
        """A row by its number: its item, `PART` and `LINE`; None if there is none."""
        paths = [*(self.logs if table == "interactions" else self.items_read)]
        for path in paths:
            found = (
                ds.dataset(path).to_table([c.ITEM_ID, PART, LINE], filter=ds.field(ROW_NUMBER) == number).to_pylist()
            )
            if found:
                row: dict[str, Any] = found[0]
                return row
        return None

    def ids(self, path: Path) -> Iterator[str | None]:
        """The ids of a catalogue, by its Parquet file."""
        for batch in ds.dataset(path).to_batches(columns=[c.ITEM_ID]):
            yield from batch.column(0).cast(pa.string()).to_pylist()

    def _keep(self, table: str, losses: Losses, warnings: list[str]) -> None:
        self.losses.setdefault(table, Losses()).add(losses)
        self.warnings += warnings

    def write(self, tables: Iterator[pa.Table], name: str, file: str) -> Path:
        """Write tables of one schema as a Parquet file.

        Args:
            tables: what was read, in order.
            name: of the table, for messages.
            file: from which they were read.

        Raises:
            DataError: there is no row.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}-{next(self._number)}.parquet"
        writer: pq.ParquetWriter | None = None
        with working(f"ingest: reading {file}", unit="row") as step:
            try:
                for table in tables:
                    writer = writer or _writer(path, table.schema)
                    writer.write_table(table)
                    step.advance(table.num_rows)
            finally:
                if writer is not None:
                    writer.close()
        if writer is None:
            raise DataError(f"the {name} table is empty: {file} has a header, and no rows; get it again")
        return path


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer that stores numbers of rows and lines, which only grow, as differences."""
    growing = [each.name for each in schema if each.name in (ROW_NUMBER, LINE) and each.type == pa.int64()]
    others = [name for name in schema.names if name not in growing]
    encodings = dict.fromkeys(growing, "DELTA_BINARY_PACKED")
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=others, column_encoding=encodings)


_current: Final[ContextVar[Staging | None]] = ContextVar("staging", default=None)


@contextmanager
def staging_in(folder: Path, words_before: frozenset[Kind] = frozenset()) -> Iterator[Staging]:
    """Within this block adapters stage what they read in this folder; see `Staging.words_before`."""
    staging = Staging(folder, words_before)
    token = _current.set(staging)
    try:
        yield staging
    finally:
        _current.reset(token)


def current_staging() -> Staging:
    """The staging of the block; outside of any a new one, in a temporary folder that stays until the process ends."""
    if (staging := _current.get()) is not None:
        return staging
    folder = Path(tempfile.mkdtemp(prefix="recstack-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Staging(folder)
