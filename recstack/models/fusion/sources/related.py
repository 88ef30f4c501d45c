"""For each item its related items, with one number a relation; and what a history says about candidates by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.neighbours import at_most

_FILES = ("offsets", "items", "values", "typical")


class HistoryItems(NamedTuple):
    """The H items of B users' histories that candidates are looked up by, user after user."""

    row: Ints
    """[H] the user, from 0 to B - 1; ascending."""
    item: Ints
    """[H] position in the catalogue."""
    rank: Ints
    """[H] 0 for the newest item; `RECENT_LENGTH` for all whose order is not known."""
    share: Floats
    """[H] for how many items of the history it stands: more than one where older items are drawn."""

    @classmethod
    def of(cls, users: UserBatch, older: int, n_items: int) -> Self:
        """The recent items of each user, and at most `older` of the others, evenly spaced over the seen items."""
        row, rank = np.nonzero(users.recent >= 0)
        item = users.recent[row, rank]
        if not older:
            return cls(row, item, rank, np.ones(len(row), dtype=np.float32))
        lengths = users.known
        owner = np.repeat(np.arange(len(users)), lengths)
        rest = ~np.isin(owner * n_items + users.seen, row * n_items + item)
        owner, seen = owner[rest], users.seen[rest]
        left = np.bincount(owner, minlength=len(users))
        kept = np.minimum(left, older)
        nth = np.arange(len(owner)) - (np.cumsum(left) - left)[owner]
        # The n-th of `left` items is drawn where n * kept / left passes a whole number.
        drawn = (nth + 1) * kept[owner] // left[owner] > nth * kept[owner] // left[owner]
        owner, seen = owner[drawn], seen[drawn]
        order = np.argsort(np.concatenate([row, owner]), kind="stable")
        return cls(
            np.concatenate([row, owner])[order],
            np.concatenate([item, seen])[order],
            np.concatenate([rank, np.full(len(owner), RECENT_LENGTH)])[order],
            np.concatenate([np.ones(len(row)), (left / kept.clip(min=1))[owner]])[order].astype(np.float32),
        )


@dataclass(frozen=True)
class Slots:
    """Where each item stands among the candidates of each user."""

    table: npt.NDArray[np.int16]
    """[B, I] -1 for items that are no candidates; two bytes for each, which is all that grows with the catalogue."""
    width: int
    """K, the most candidates of a user."""

    @classmethod
    def of(cls, candidates: Ints, alive: Mask, n_items: int) -> Self:
        """From [B, K] positions in a catalogue, without repetitions among those alive."""
        table = np.full((len(candidates), n_items), -1, dtype=np.int16)
        row, slot = np.nonzero(alive)
        table[row, candidates[row, slot]] = slot
        return cls(table, candidates.shape[1])

    @property
    def rows(self) -> int:
        """B."""
        return len(self.table)

    def find(self, row: Ints, item: Ints) -> npt.NDArray[np.int16]:
        """The slots of items for users."""
        found: npt.NDArray[np.int16] = self.table.ravel()[row * self.table.shape[1] + item]
        return found

    def values(self, scores: sparse.csr_array) -> Floats:
        """[B, K] of sparse [B, I] scores those of the candidates."""
        row = np.repeat(np.arange(self.rows), np.diff(scores.indptr))
        slot = self.find(row, scores.indices)
        found = np.zeros((self.rows, self.width), dtype=np.float32)
        found[row[slot >= 0], slot[slot >= 0]] = scores.data[slot >= 0]
        return found


@dataclass(frozen=True)
class RelatedItems:
    """The E related items of I items, each with S numbers, one for each relation."""

    offsets: Ints
    """[I + 1] into the related items of each item."""
    items: Ints
    """[E] positions, int32; ascending within an item."""
    values: Floats
    """[E, S] how strong each relation is; 0 where it does not relate the two."""
    typical: Floats
    """[S] the strongest value of an item, mean over the interactions that were learned from."""

    @classmethod
    def join(cls, relations: Sequence[sparse.csr_array], counts: Floats, neighbours: int) -> Self:
        """Keep the pairs whose relations are strongest in sum.

        Args:
            relations: S matrices [I, I].
            counts: [I] interactions of each item.
            neighbours: related items kept of each item.
        """
        shares, typical = [], []
        for relation in relations:
            most = abs(relation).max(axis=1).toarray().ravel()
            typical.append(float((most * counts).sum() / max(counts.sum(), 1.0)))
            shares.append(abs(relation).multiply(1 / most.clip(min=1e-12)[:, None]).tocsr())
        kept = at_most(sum(shares[1:], start=shares[0]), neighbours)
        kept.sort_indices()
        number = sparse.csr_array((np.arange(1.0, kept.nnz + 1), kept.indices, kept.indptr), shape=kept.shape)
        values = np.zeros((kept.nnz, len(relations)), dtype=np.float32)
        for column, relation in enumerate(relations):
            present = relation.astype(bool).astype(np.float64)
            at = number.multiply(present).tocsr().data.astype(np.int64) - 1
            values[at, column] = relation.multiply(kept.astype(bool)).tocsr().data
        return cls(
            kept.indptr.astype(np.int64), kept.indices.astype(np.int32), values, np.array(typical, dtype=np.float32)
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def relation(self, column: int) -> sparse.csr_array:
        """[I, I] one relation."""
        values = np.ascontiguousarray(self.values[:, column])
        return sparse.csr_array((values, self.items, self.offsets), shape=(len(self), len(self)))

    def of(self, column: int, items: Ints) -> sparse.csr_array:
        """[K, I] one relation of K items, without a copy of the others."""
        lengths = self.offsets[items + 1] - self.offsets[items]
        ends = np.cumsum(lengths)
        entry = np.arange(int(lengths.sum())) + np.repeat(self.offsets[items] - (ends - lengths), lengths)
        rows = (self.values[entry, column], self.items[entry], np.append(0, ends))
        return sparse.csr_array(rows, shape=(len(items), len(self)))

    def scores(self, history: HistoryItems, decays: Floats, slots: Slots) -> Floats:
        """[B, K, S] what the newest items say about the candidates: sums of decay ^ r * relation for the r-th newest.

        Only pairs of an item of the history and a candidate are looked up: the cost does not depend on I.

        Args:
            history: of B users.
            decays: [S] of each relation, below 1.
            slots: of the candidates.
        """
        newest = np.flatnonzero(history.rank < RECENT_LENGTH)
        row, item, rank = history.row[newest], history.item[newest], history.rank[newest]
        lengths = self.offsets[item + 1] - self.offsets[item]
        ends = np.cumsum(lengths)
        entry = np.arange(int(ends[-1]) if len(ends) else 0)
        entry += np.repeat(self.offsets[item] - (ends - lengths), lengths)
        found = slots.find(np.repeat(row, lengths), self.items[entry])
        hit = np.flatnonzero(found >= 0)
        owner = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[hit]
        by_rank = decays ** np.arange(RECENT_LENGTH, dtype=np.float32)[:, None]
        values = self.values[entry[hit]]
        values *= by_rank[rank[owner]]
        # One column a value, so that the product adds each to its cell, without a sort.
        cell = row[owner] * slots.width + found[hit]
        shape = (slots.rows * slots.width, len(hit))
        add = sparse.csc_array((np.ones(len(hit), dtype=np.float32), cell, np.arange(len(hit) + 1)), shape=shape)
        total: Floats = (add @ values).reshape(slots.rows, slots.width, -1)
        return total

    def save(self, folder: Path) -> None:
        """Write `related_<part>.npy` of each array."""
        for name in _FILES:
            np.save(folder / f"related_{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote into memory: workers of one machine share it."""
        return cls(*(np.load(folder / f"related_{name}.npy", mmap_mode="r") for name in _FILES))
