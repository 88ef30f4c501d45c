"""What a candidate source learns from, and the contract that every source keeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints
from recstack.features.batches import UserBatch
from recstack.models.learning.history import interaction_matrix
from recstack.progress import track


@dataclass(frozen=True)
class KnownInteractions:
    """Interactions that a source may know, sorted by (user, time)."""

    user: Ints
    """[N] dense user numbers."""
    item: Ints
    """[N] positions in the catalogue."""
    rating: Floats
    """[N] ratings."""
    age: Floats
    """[N] share of these interactions that are newer, from 0 to 1; 0 for all in data without time."""
    known: Ints
    """[N] how many items the user had before."""
    n_items: int
    """I, the size of the catalogue."""
    timed: bool
    """False where the order within a user means nothing."""
    _pairs: dict[tuple[int, float, float | None], sparse.csr_array] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, user: Ints, item: Ints, rating: Floats, timestamp: Ints, known: Ints, n_items: int) -> Self:
        """Compute the ages of N interactions, sorted by (user, time), from their timestamps."""
        timed = bool(len(timestamp)) and bool(timestamp.min() < timestamp.max())
        age = np.zeros(len(timestamp), dtype=np.float32)
        if timed:
            newer = len(timestamp) - np.searchsorted(np.sort(timestamp), timestamp, side="right")
            age = (newer / len(timestamp)).astype(np.float32)
        return cls(user, item, rating, age, known, n_items, timed)

    @property
    def counts(self) -> Floats:
        """[I] interactions of each item."""
        return np.bincount(self.item, minlength=self.n_items).astype(np.float32)

    def by_user(self) -> sparse.csr_array:
        """[U, I] how often each user chose each item."""
        return interaction_matrix(self.user, self.item, self.n_items)

    def pairs(self, window: int, decay: float, half_life: float | None) -> sparse.csr_array:
        """[I, I] how often the column's item followed the row's in one history; sources with equal arguments share it.

        Items d positions apart, up to `window`, count `decay` ^ (d - 1), and half of that at the age `half_life`.
        """
        key = (window, decay, half_life)
        if key not in self._pairs:
            row, column, weight = [self.item[:0]], [self.item[:0]], [self.age[:0]]
            for distance in track(range(1, window + 1), "fusion: counting pairs in histories", unit="distance"):
                same = self.user[distance:] == self.user[:-distance]
                row.append(self.item[:-distance][same])
                column.append(self.item[distance:][same])
                value = np.full(len(row[-1]), decay ** (distance - 1), dtype=np.float32)
                if half_life is not None:
                    value *= np.float32(0.5) ** (self.age[distance:][same] / np.float32(half_life))
                weight.append(value)
            positions = (np.concatenate(row), np.concatenate(column))
            shape = (self.n_items, self.n_items)
            self._pairs[key] = sparse.csr_array((np.concatenate(weight), positions), shape=shape)
        return self._pairs[key]


@dataclass(frozen=True)
class CandidateSource(ABC):
    """Options of a source and, once it is fitted, one sparse matrix with all that it has learned."""

    learned: sparse.csr_array | None = None

    @abstractmethod
    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """The matrix that `score` needs, from the past only."""

    @abstractmethod
    def score(self, users: UserBatch) -> Floats:
        """[B, I] float32, higher is better; also of items that a user has seen."""

    def fit(self, past: KnownInteractions) -> Self:
        """The same source, fitted."""
        return self.with_learned(self.learn(past))

    def recipe(self) -> "CandidateSource":
        """What `learn` depends on: sources with equal recipes learn the same matrix."""
        return replace(self, learned=None)

    def with_learned(self, learned: sparse.csr_array) -> Self:
        """The same source with what was learned before."""
        return replace(self, learned=learned)

    @property
    def matrix(self) -> sparse.csr_array:
        """What was learned."""
        if self.learned is None:
            raise RuntimeError("score needs a fitted source")
        return self.learned
