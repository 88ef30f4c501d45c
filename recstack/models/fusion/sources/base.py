"""What a candidate source learns from, and the contract of the sources that relate items to items."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints
from recstack.models.learning.history import interaction_matrix


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

    @classmethod
    def of(cls, user: Ints, item: Ints, rating: Floats, timestamp: Ints, known: Ints, n_items: int) -> Self:
        """Compute the ages of N interactions, sorted by (user, time), from their timestamps."""
        timed = bool(len(timestamp)) and bool(timestamp.min() < timestamp.max())
        age = np.zeros(len(timestamp), dtype=np.float32)
        if timed:
            newer = len(timestamp) - np.searchsorted(np.sort(timestamp), timestamp, side="right")
            age = (newer / len(timestamp)).astype(np.float32)
        return cls(user, item, rating, age, known, n_items, timed)

    @cached_property
    def preceding(self) -> Ints:
        """[N] earlier interactions of the same user among these."""
        return np.arange(len(self.user)) - np.searchsorted(self.user, self.user)

    @cached_property
    def following(self) -> Ints:
        """[N] later interactions of the same user among these."""
        return np.searchsorted(self.user, self.user, side="right") - 1 - np.arange(len(self.user))

    @property
    def counts(self) -> Floats:
        """[I] interactions of each item."""
        return np.bincount(self.item, minlength=self.n_items).astype(np.float32)

    def by_user(self) -> sparse.csr_array:
        """[U, I] how often each user chose each item."""
        return interaction_matrix(self.user, self.item, self.n_items)

    def sample(self, count: int) -> Self:
        """About `count` of the interactions, with whole users drawn at random; all of them where there are no more."""
        if len(self.user) <= count:
            return self
        drawn = np.random.default_rng(0).random(int(self.user.max()) + 1) < count / len(self.user)
        kept = drawn[self.user]
        columns = {name: getattr(self, name)[kept] for name in ("user", "item", "rating", "age", "known")}
        return replace(self, **columns)


class Relations(ABC):
    """A way to relate items to items, by one or more numbers for a pair."""

    names: tuple[str, ...]

    @abstractmethod
    def learn(self, past: KnownInteractions, neighbours: int) -> list[sparse.csr_array]:
        """[I, I] relations from the past only, one for each name, row i for item i of a history; float32.

        Args:
            past: what may be known.
            neighbours: related items kept of each item, the strongest by magnitude.
        """


def blocks_of_items(counts: Ints, size: int) -> Iterator[slice]:
    """Cut [I] items into slices with about `size` interactions, at least one item each."""
    block = (np.cumsum(counts) - counts) // size
    edges = np.flatnonzero(np.diff(block, prepend=-1, append=np.inf))
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        yield slice(int(start), int(stop))
