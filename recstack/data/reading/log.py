"""Rows of a log as interactions: ids, ratings, times, in the columns of the contract."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import REST, ROW, Log
from recstack.data.reading.cells import NULL_WORDS, Read, mask, text_of, without_null_words
from recstack.data.reading.columns_read import Columns, Readability
from recstack.data.reading.ids import IdForms, Kind, forms_of, id_hint, numbers_of_words, words_of
from recstack.data.reading.losses import UNKNOWN_KIND, Losses
from recstack.data.reading.numbers import number_hint, numbers_of
from recstack.data.reading.rows import Rows, shown
from recstack.data.reading.several_items import several_items
from recstack.data.reading.tables import TableReader
from recstack.data.reading.times import MICROSECONDS, TimeReader
from recstack.data.timestamps import TIMELESS

ROW_NUMBER: Final = "row"
"""Column: number of a row in its log, from 0."""
PART: Final = "part"
"""Column: name of the file of a row."""
LINE: Final = "line"
"""Column: number of its line, or of the row in Parquet."""
HIGHEST: Final[dict[Kind, int]] = {"user": 2**63 - 1, "item": 2**32 - 1}
"""Largest numbers that ids may be."""


@dataclass
class LogFacts:
    """What a log holds; complete after its last batch."""

    rows: int = 0
    losses: Losses = field(default_factory=Losses)
    forms: dict[Kind, IdForms] = field(default_factory=lambda: {"user": IdForms(), "item": IdForms()})
    ratings: tuple[float, float] | None = None
    """The lowest and the highest, in the numbers of the file."""
    left_out: int = 0
    """Events of kinds with the weight 0."""
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Batch:
    columns: Columns
    forms: dict[Kind, IdForms]
    ratings: tuple[float, float] | None
    left_out: int


class LogReader:
    """Reads the log of a mapping once."""

    def __init__(self, folder: Path, mapping: Mapping, first_row: int = 0) -> None:
        """Read `[interactions]` in this folder; its rows are numbered from `first_row` on.

        Raises:
            DataError: the format of the times is none.
        """
        self.mapping, self.log = mapping, mapping.interactions
        self.facts = LogFacts()
        self._folder, self._first_row = folder, first_row
        self._words = tuple(self.log.null) if self.log.null is not None else NULL_WORDS
        self._times = TimeReader(self.log.time_format, self._words, self.log.decimal) if self.log.time else None

    def batches(self) -> Iterator[pa.Table]:
        """Interactions with `ROW_NUMBER`, `PART` and `LINE`; ids are strings unless the mapping makes them numbers.

        Raises:
            DataError: the file can't be used as the mapping says.
        """
        log = self.log
        self._by_order = log.time == ROW and not self._has_column_row()
        names = [log.user, log.item, log.rating, log.kind, None if self._by_order else log.time]
        reader = TableReader(self._folder, log, [name for name in names if name is not None])
        readability = Readability()
        for batch in reader.map(self._read):
            readability.check(batch.columns)
            yield self._finished(batch)
        self.facts.warnings += reader.warnings

    def _has_column_row(self) -> bool:
        probe = TableReader(self._folder, self.log, [])
        return ROW in probe.column_names()

    def _finished(self, batch: _Batch) -> pa.Table:
        """The batch as a table; adds its facts to those of the log."""
        facts, rows = self.facts, batch.columns.rows
        facts.losses.add(batch.columns.losses)
        for kind, forms in batch.forms.items():
            facts.forms[kind].add(forms)
        facts.left_out += batch.left_out
        if batch.ratings is not None:
            low, high = facts.ratings or batch.ratings
            facts.ratings = min(low, batch.ratings[0]), max(high, batch.ratings[1])
        numbers = np.arange(len(rows), dtype=np.int64) + self._first_row + facts.rows
        facts.rows += len(rows)
        values = batch.columns.values
        if self._by_order:
            values[c.TIMESTAMP] = pa.array((numbers + TIMELESS) * 10**6).cast(MICROSECONDS)
        part = pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), pa.array([rows.part]))
        return pa.table({**values, ROW_NUMBER: numbers, PART: part.cast(pa.string()), LINE: rows.lines})

    def _read(self, rows: Rows) -> _Batch:
        """Typed columns of some rows; runs in threads."""
        log, losses = self.log, Losses()
        losses.lines_of(rows)
        if (
            log.item_separator is not None
            or log.item_pattern is not None
            or _takes_rest(log)
            or _is_list(rows, log.item)
        ):
            rows = several_items(rows, log)
        rows, strengths, left_out = self._weighted(rows, losses)
        columns = Columns(rows, losses=losses)
        forms = {kind: self._add_id(columns, kind) for kind in HIGHEST}
        ratings = None
        if log.has_rating:
            ratings = self._add_rating(columns)
        else:
            columns.values[c.RATING] = strengths
        if log.time is None:
            columns.values[c.TIMESTAMP] = pa.nulls(len(rows), MICROSECONDS)
        elif not self._by_order:
            assert self._times is not None
            read = self._times.read(rows.cells[log.time], log.time)
            columns.add(c.TIMESTAMP, log.time, read, "null_timestamp", self._times.wanted, self._times.hint)
        return _Batch(columns, forms, ratings, left_out)

    def _add_id(self, columns: Columns, kind: Kind) -> IdForms:
        name = self.log.user if kind == "user" else self.log.item
        target = c.USER_ID if kind == "user" else c.ITEM_ID
        words, declared = words_of(columns.rows.cells[name], self._words), self.mapping.text_ids
        if declared is not None and kind not in declared:
            wanted = "whole number"
            columns.add(target, name, numbers_of_words(words), "null_id", wanted, lambda _: id_hint(kind))
            return IdForms()
        columns.add(target, name, Read.all_of(words), "null_id", "id", str)
        return forms_of(words, HIGHEST[kind], columns.rows) if declared is None else IdForms()

    def _add_rating(self, columns: Columns) -> tuple[float, float] | None:
        log, scale = self.log, self.mapping.rating
        assert scale is not None
        name = log.rating or "rating"
        read = numbers_of(
            columns.rows.cells[name],
            self._words,
            decimal=log.decimal,
            thousands=log.thousands,
            values=scale.values,
        )
        hint = partial(number_hint, table="interactions", decimal=log.decimal, thousands=log.thousands)
        columns.add(c.RATING, name, read, "null_rating", "number", hint)
        found = pc.min_max(read.values).as_py()
        values = read.values
        if scale.transform == "log":
            values = pc.if_else(pc.less(values, 0), values, pc.log2(pc.add(pc.max_element_wise(values, 0.0), 1.0)))
        columns.values[c.RATING] = values.cast(pa.float32())
        return None if found["min"] is None else (found["min"], found["max"])

    def _weighted(self, rows: Rows, losses: Losses) -> tuple[Rows, pa.Array, int]:
        """The rows with the weights of their kinds, without those of no weight or of a kind that has none."""
        kinds = self.mapping.kinds
        if kinds is None:
            return rows, pa.array(np.ones(len(rows), np.float32)), 0
        name = self.log.kind or "kind"
        text = without_null_words(text_of(rows.cells[name]), ("",))
        at = pc.index_in(text, value_set=pa.array(list(kinds), pa.string()))
        unknown = mask(pc.is_null(at))
        if unknown.any():
            index = int(np.argmax(unknown))
            kind = text[index].as_py() or ""
            key = kind if re.fullmatch("[A-Za-z0-9_-]+", kind) else f'"{kind}"'
            where = rows.location(index)
            why = f"{where}: {name} {shown(kind)} is none of [kinds]; add {key} = 1, or = 0 to leave it out"
            losses.count(UNKNOWN_KIND, int(unknown.sum()), why)
        weights = np.append(np.array(list(kinds.values())), 0.0)[pc.fill_null(at, len(kinds)).to_numpy()]
        kept = weights > 0
        return rows.kept(kept), pa.array(weights[kept].astype(np.float32)), int((~kept & ~unknown).sum())


def _takes_rest(log: Log) -> bool:
    return log.columns is not None and log.columns[-1] == log.item + REST


def _is_list(rows: Rows, name: str) -> bool:
    type_ = rows.cells[name].type
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))
