"""The interactions of a log, stored once; a feature row sees a user's history up to some interaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.data.folders import INTERACTIONS_FOLDER
from recstack.features.arrays import Floats, Ints
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.user_features import user_features

MICROSECOND: Final = 1_000_000


@dataclass(frozen=True)
class InteractionLog:
    """E interactions by user, and of a user oldest first; without timestamps by ascending rating, then item."""

    user_ids: Ints
    """[U] ascending."""
    offsets: Ints
    """[U + 1] where each user's interactions begin."""
    item: npt.NDArray[np.uint32]
    """[E] item ids; `contract.MAX_ITEM_ID` keeps them in 32 bits."""
    rating: Floats
    """[E]"""
    second: Ints | None
    """[E] epoch seconds; None without timestamps."""

    @classmethod
    def of(cls, interactions: pa.Table) -> Self:
        """Sort interactions.

        Args:
            interactions: user_id, item_id, rating and timestamp, null in all rows of data without timestamps.
        """
        user, item = (interactions[name].to_numpy() for name in (c.USER_ID, c.ITEM_ID))
        rating = interactions[c.RATING].to_numpy().astype(np.float32)
        timestamp = interactions[c.TIMESTAMP]
        second = None
        if timestamp.null_count < len(timestamp):
            second = pc.cast(timestamp.cast(pa.timestamp("us", tz="UTC")), pa.int64()).to_numpy() // MICROSECOND
        order = np.lexsort((item, rating if second is None else second, user))
        user_ids, start = np.unique(user[order], return_index=True)
        return cls(
            user_ids,
            np.append(start, len(order)).astype(np.int64),
            item[order].astype(np.uint32),
            rating[order],
            None if second is None else second[order],
        )

    @classmethod
    def read(cls, tables: Path, parts: Sequence[str] | None = None) -> Self:
        """The interactions of feature tables.

        Args:
            tables: what `build_features` published.
            parts: of the split; None takes all.
        """
        chosen = None if parts is None else pc.field(c.SPLIT).isin(list(parts))
        columns = [c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP]
        return cls.of(pq.read_table(tables / INTERACTIONS_FOLDER, columns=columns, filters=chosen))

    def before(self, user_ids: Ints, seconds: Ints | None = None) -> "Prefixes":
        """For each of P pairs what happened strictly before that second.

        Args:
            user_ids: [P] in any order, with repetitions; of a user that is not here nothing is known.
            seconds: [P] epoch seconds; None sees everything.
        """
        start, end = self._bounds(user_ids)
        if seconds is not None and self.second is not None:
            end = self._first_not_before(start, end, seconds)
        return Prefixes(self, start, end)

    def without_each(self, user_ids: Ints, item_ids: Ints) -> "Prefixes":
        """For each of P interactions all others of its user: data without timestamps have no other past.

        Args:
            user_ids: [P] theirs.
            item_ids: [P] theirs; no user has an item twice in such data.

        Raises:
            ValueError: an interaction is not here.
        """
        pairs = self._pairs[self.by_item]
        owner = np.searchsorted(self.user_ids, user_ids)
        wanted = (owner << 32) + item_ids
        found = np.searchsorted(pairs, wanted)
        if len(wanted) and not (
            len(pairs)
            and np.array_equal(self.user_ids.take(owner, mode="clip"), user_ids)
            and np.array_equal(pairs.take(found, mode="clip"), wanted)
        ):
            raise ValueError("an interaction whose own contribution is to be left out is not in the log")
        return Prefixes(self, *self._bounds(user_ids), self.by_item[found])

    @cached_property
    def by_item(self) -> Ints:
        """[E] interactions by user and item; of one pair in the order of the log."""
        return np.argsort(self._pairs, kind="stable")

    @property
    def _pairs(self) -> Ints:
        """[E] a number for each user and item that ascends by user, then by item."""
        owner = np.repeat(np.arange(len(self.user_ids), dtype=np.int64), np.diff(self.offsets))
        return (owner << 32) + self.item

    def first_choices(self, item_ids: Ints) -> Ints:
        """[E + 1] how many of the interactions before each are a user's first one with one of these items."""
        pairs = self._pairs[self.by_item]
        is_first = np.zeros(len(pairs), dtype=bool)
        is_first[self.by_item] = np.diff(pairs, prepend=-1) != 0
        return np.append(0, np.cumsum(is_first & np.isin(self.item, item_ids)))

    def _bounds(self, user_ids: Ints) -> tuple[Ints, Ints]:
        """Begin and end of the histories of these users; the same where a user is not here."""
        first = np.searchsorted(self.user_ids, user_ids)
        last = np.searchsorted(self.user_ids, user_ids, side="right")
        return self.offsets[first], self.offsets[last]

    def _first_not_before(self, start: Ints, end: Ints, seconds: Ints) -> Ints:
        """The first interaction in each [start, end) that is not before its second: a binary search in all at once."""
        assert self.second is not None
        low, high = start.copy(), end.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = open_ & (self.second[middle.clip(max=len(self.second) - 1)] < seconds)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low


@dataclass(frozen=True)
class Prefixes:
    """P feature rows, and what each may see of the log."""

    log: InteractionLog
    start: Ints
    """[P] first interaction of the row's user."""
    end: Ints
    """[P] one past the last interaction that the row may see; end == start is an empty history."""
    left_out: Ints | None = None
    """[P] one interaction in [start, end) that the row does not see; None: every row sees all."""

    def __len__(self) -> int:
        return len(self.start)

    def n_items(self, item_ids: Ints) -> Ints:
        """[P] how many of these items each row sees."""
        before = self.log.first_choices(item_ids)
        count: Ints = before[self.end] - before[self.start]
        if self.left_out is not None:  # data without timestamps, where no item is repeated
            count -= np.isin(self.log.item[self.left_out], item_ids)
        return count

    def features(self, rows: Ints, genres: ItemGenres) -> pa.Table:
        """Rows of `spec.schema("user")`, by the formulas that make the feature tables.

        Cost and memory grow with the histories that these rows see, not with the log.

        Args:
            rows: [B] which rows, in any order, with repetitions.
            genres: the catalogue's genres.
        """
        start, end = self.start[rows], self.end[rows]
        left_out = None if self.left_out is None else self.left_out[rows]
        order = np.lexsort((end, start) if left_out is None else (left_out, end, start))
        start, end = start[order], end[order]
        # One copy of each history, as long as the longest row of it.
        first = np.flatnonzero(np.diff(start, prepend=-1))
        bounds = np.append(first, len(start))
        lengths = end[bounds[1:] - 1] - start[first]
        shift = np.cumsum(lengths) - lengths - start[first]
        flat = np.arange(int(lengths.sum())) - np.repeat(shift, lengths)
        shift = np.repeat(shift, np.diff(bounds))
        log = self.log
        histories = Histories(
            log.item[flat].astype(np.int64),
            log.rating[flat].astype(np.float64),
            np.zeros(len(flat), dtype=np.int64) if log.second is None else log.second[flat],
            has_timestamps=log.second is not None,
        )
        own = None if left_out is None else left_out[order] + shift
        table = user_features(Past(histories, start + shift, end + shift, own), genres)
        if np.array_equal(order, np.arange(len(order))):
            return table
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return table.take(back)
