"""Interactions of many users as flat arrays, and what of them each feature row may see."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from recstack.features.arrays import Doubles, Ints, Mask

Numbers = TypeVar("Numbers", Doubles, Ints)


@dataclass(frozen=True)
class Histories:
    """E interactions, sorted by user and, within a user, oldest first; without timestamps, by ascending rating."""

    item: Ints
    rating: Doubles
    time: Ints
    """Epoch seconds; ignored without timestamps."""
    has_timestamps: bool


@dataclass(frozen=True)
class Past:
    """What each of P feature rows may see: the interactions [start, end) of one user.

    Rows are grouped by user in the order of `histories`, and `end` never falls from one row of a user to the next.
    """

    histories: Histories
    start: Ints
    """[P] first interaction of the row's user."""
    end: Ints
    """[P] one past the last interaction that the row may see; end == start is an empty history."""
    left_out: Ints | None = None
    """[P] one interaction in [start, end) that the row does not see; None: every row sees all."""

    @cached_property
    def count(self) -> Ints:
        """[P] number of interactions seen."""
        return self.end - self.start - (0 if self.left_out is None else 1)

    @property
    def is_empty(self) -> Mask:
        """[P] True where a row sees nothing."""
        return self.count <= 0

    def total(self, values: Doubles) -> Doubles:
        """[P] sum of `values` over the interactions seen.

        Args:
            values: [E] one number for each interaction.
        """
        sums = np.concatenate([[0.0], np.cumsum(values)])
        total: Doubles = sums[self.end] - sums[self.start]
        return total if self.left_out is None else total - values[self.left_out]

    def first(self, values: Numbers) -> Numbers:
        """[P] of `values` ([E]) that of the first interaction seen; any number where a row sees nothing."""
        skipped = 0 if self.left_out is None else self.left_out == self.start
        return _at(values, self.start + skipped)

    def last(self, values: Numbers) -> Numbers:
        """[P] of `values` ([E]) that of the last interaction seen; any number where a row sees nothing."""
        skipped = 0 if self.left_out is None else self.left_out == self.end - 1
        return _at(values, self.end - 1 - skipped)

    @cached_property
    def by_item(self) -> Ints:
        """[E] indices of all interactions, user after user, by ascending item within each user, oldest first."""
        # The user's number stands above the item's 32 bits (contract.MAX_ITEM_ID): one key to sort by.
        return np.argsort((self.user << 32) + self.histories.item, kind="stable")

    @cached_property
    def repeated_at(self) -> Ints | None:
        """[E] index of the user's next interaction with the same item, E where there is none; None if all have none."""
        order, user, item = self.by_item, self.user, self.histories.item
        earlier, later = order[:-1], order[1:]
        same = (user[earlier] == user[later]) & (item[earlier] == item[later])
        if not same.any():
            return None
        following = np.full(len(item), len(item))
        following[earlier[same]] = later[same]
        return following

    @cached_property
    def user(self) -> Ints:
        """[E] a number for each interaction that grows by one where the next user begins."""
        begins = np.zeros(len(self.histories.item), dtype=np.int64)
        begins[self.start[self.start < len(begins)]] = 1
        return np.cumsum(begins)


def _at(values: Numbers, positions: Ints) -> Numbers:
    """The values at these positions; any number for a position outside, as of a row that sees nothing."""
    if not len(values):
        return np.zeros(len(positions), values.dtype)
    found: Numbers = values[positions.clip(0, len(values) - 1)]
    return found
