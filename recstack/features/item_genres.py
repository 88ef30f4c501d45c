"""The genres of every item as flat arrays, and their look-up for many items at once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.features.arrays import Ints
from recstack.features.spec import ALPHA


@dataclass(frozen=True)
class ItemGenres:
    """The genres of every item as one flat array: item `item_ids[i]` has `indices[offsets[i]:offsets[i + 1]]`."""

    item_ids: Ints
    """[I] ascending."""
    offsets: Ints
    """[I + 1]"""
    indices: Ints
    """Positions in the vocabulary."""
    n_genres: int
    alpha: float = ALPHA
    """Slope of the user-genre score over these genres."""

    @classmethod
    def of(cls, items: pa.Table, n_genres: int, alpha: float) -> Self:
        """Of item features.

        Args:
            items: item_id, each once, and genre_indices.
            n_genres: length of the vocabulary.
            alpha: slope of the user-genre score.
        """
        items = items.select([c.ITEM_ID, c.GENRE_INDICES]).sort_by(c.ITEM_ID)
        lists = items[c.GENRE_INDICES].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        return cls(items[c.ITEM_ID].to_numpy(), offsets, pc.list_flatten(lists).to_numpy(), n_genres, alpha)

    def lookup(self, item_ids: Ints) -> tuple[Ints, Ints]:
        """Genre counts, and the concatenated genre indices, of the given items.

        Args:
            item_ids: [N] in any order, with repetitions; items outside the catalogue have no genres.

        Returns:
            [N] how many genres each item has, and their indices, item after item.
        """
        if not len(self.item_ids):
            return np.zeros(len(item_ids), np.int64), np.zeros(0, np.int64)
        rows = self._rows(item_ids)
        known = self.item_ids[rows] == item_ids
        lengths = np.where(known, self.offsets[rows + 1] - self.offsets[rows], 0)
        end = np.cumsum(lengths)
        flat = np.repeat(self.offsets[rows] - end + lengths, lengths)
        flat += np.arange(len(flat))
        return lengths, self.indices[flat]

    def _rows(self, item_ids: Ints) -> Ints:
        """Index in `item_ids` of each given item, or of any item if it is not there."""
        if self._row_of_id is None:
            found = np.searchsorted(self.item_ids, item_ids).clip(max=len(self.item_ids) - 1)
        else:
            found = self._row_of_id[item_ids.clip(0, len(self._row_of_id) - 1)]
        return np.asarray(found)

    @cached_property
    def _row_of_id(self) -> Ints | None:
        """Table from id to index, which is read faster than `item_ids` is searched; None if it would be mostly empty.

        benchmarks/user_genre_profile.py measures it.
        """
        largest = int(self.item_ids[-1])
        if largest >= 16 * len(self.item_ids):
            return None
        rows = np.zeros(largest + 1, np.int64)
        rows[self.item_ids] = np.arange(len(self.item_ids))
        return rows
