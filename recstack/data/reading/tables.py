"""Rows of a table of `mapping.toml`: one file or the parts of a folder, whatever their format."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from recstack.data.adapters.mapping_tables import Table
from recstack.data.inspection.encoding import guess_encoding
from recstack.data.reading.decoding import Decoder
from recstack.data.reading.json_lines import is_json, json_jobs
from recstack.data.reading.parquet_files import parquet_columns, parquet_jobs
from recstack.data.reading.rows import UNDECODABLE, Job, Rows, Unread, shown
from recstack.data.reading.streams import PARQUET, Part, chunks, format_of, parts_of
from recstack.data.reading.text_files import text_columns, text_jobs
from recstack.errors import DataError

T = TypeVar("T")

_WORKERS: Final = 2
_AHEAD: Final = 3
"""Blocks that are read before they are needed; with their columns they take some 30 MB each."""


class TableReader:
    """Reads the wanted columns of a table once, from its first row to its last."""

    def __init__(self, folder: Path, table: Table, columns: Sequence[str]) -> None:
        """Read these columns of the table's file in the folder."""
        self.folder, self.table = folder, table
        self.columns = list(dict.fromkeys(columns))
        self.warnings: list[str] = []
        """What is suspicious, for people; complete after the last row."""

    def map(self, convert: Callable[[Rows], T]) -> Iterator[T]:
        """The result for each batch of rows, in order; batches are read and converted in threads.

        Raises:
            DataError: the file can't be used.
        """
        waiting: deque[Future[T]] = deque()
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="reading") as pool:
            try:
                for job in self._jobs():
                    waiting.append(pool.submit(_done, job, convert))
                    if len(waiting) > _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def column_names(self) -> list[str]:
        """Names of all columns, as the first file has them."""
        part = self._parts()[0]
        if format_of(part.path) == PARQUET:
            return [*parquet_columns(part), *part.partition]
        decoder = Decoder(part.name, self.table.encoding)
        if is_json(next(decoder_head(part, self.table.encoding), b"")):
            return list(part.partition)
        return [*text_columns(part, decoder, self.table), *part.partition]

    def _parts(self) -> list[Part]:
        parts = parts_of(self.folder / self.table.file)
        if not parts:
            raise DataError(f"{self.folder / self.table.file} is empty: it holds no file with data")
        return parts

    def _jobs(self) -> Iterator[Job]:
        for part in self._parts():
            if format_of(part.path) == PARQUET:
                yield from (_with_partition(job, part) for job in parquet_jobs(part, self.table, self.columns))
                continue
            decoder = Decoder(part.name, self.table.encoding)
            head = next(decoder_head(part, self.table.encoding), b"")
            read = json_jobs if is_json(head) else text_jobs
            for job in read(part, decoder, self.table, self.columns):
                yield _checked(_with_partition(job, part), decoder)
            self._warn(decoder)

    def _warn(self, decoder: Decoder) -> None:
        if decoder.controls:
            self.warnings.append(
                f"{decoder.name}: {decoder.controls:,} lines hold control characters in {decoder.encoding}; in cp1252"
                ' they are letters or quotation marks: write encoding = "cp1252"'
            )
        if decoder.nuls:
            self.warnings.append(f"{decoder.name}: {decoder.nuls:,} NUL characters were left out")


def _done(job: Job, convert: Callable[[Rows], T]) -> T:
    return convert(job())


def decoder_head(part: Part, encoding: str | None) -> Iterator[bytes]:
    """The first piece of a text file as UTF-8."""
    return Decoder(part.name, encoding).utf8(chunks(part.path, 4096))


def _with_partition(job: Job, part: Part) -> Job:
    """The job, with the columns that the names of folders hold."""
    if not part.partition:
        return job

    def read() -> Rows:
        rows = job()
        constant = {
            name: pa.nulls(len(rows), pa.string())
            if value == "__HIVE_DEFAULT_PARTITION__"
            else pa.array([value] * len(rows), pa.string())
            for name, value in part.partition.items()
        }
        return replace(rows, cells={**rows.cells, **constant})

    return read


def _checked(job: Job, decoder: Decoder) -> Job:
    """The job, without rows that hold bytes which could not be decoded."""
    wrong = np.array(decoder.undecodable, np.int64)  # known before the block was cut from the text
    if not len(wrong):
        return job

    def read() -> Rows:
        rows = job()
        if not len(rows):
            return rows
        of = np.searchsorted(rows.lines, wrong[wrong < rows.until], side="right") - 1
        hit = np.unique(of[of >= 0])
        if not len(hit):
            return rows
        kept = np.ones(len(rows), np.bool_)
        kept[hit] = False
        hint = _encoding_hint(decoder)
        unread = [Unread(UNDECODABLE, int(rows.lines[index]), hint) for index in hit.tolist()]
        return replace(rows.kept(kept), unread=[*rows.unread, *unread], odd_quotes=rows.odd_quotes)

    return read


def _encoding_hint(decoder: Decoder) -> str:
    raw = decoder.wrong_bytes
    guess = guess_encoding(raw).name
    other = guess if guess != decoder.encoding else "cp1252"
    text = shown(raw.decode(other, errors="replace").strip())
    return (
        f'bytes that mean nothing in {decoder.encoding}: write encoding = "{other}", in which the line is {text}; or'
        " the name of another encoding"
    )
