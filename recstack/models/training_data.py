"""What a model learns from: interactions, and the features as they were just before each of them."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recstack.errors import UserError
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, Users
from recstack.features.encode import Encoder
from recstack.models.learning.history import interaction_matrix

MOST_ROWS = 2_000_000
"""Rows that networks learn from, at most: their features are all that training holds beyond the log."""


@dataclass(frozen=True)
class TrainingData:
    """N interactions before the split, sorted by (user, time), with their features.

    A user has each item once, when they first chose it: repetitions are in the features alone.
    """

    encoder: Encoder
    items: ItemBatch
    """The catalogue of I items as known at the end of the training part."""
    user: Ints
    """[N] user of each interaction, as a dense number 0..U-1; ascending."""
    item: Ints
    """[N] item of each interaction, a position in the catalogue."""
    rating: Floats
    """[N] its rating; the newest that the parts hold, where the user has rated the item again."""
    timestamp: Ints
    """[N] its epoch second; `features.user.TIMELESS` in data without time."""
    users: Users
    """[N] the user's features just before each interaction (without its own contribution)."""
    popularity: Floats
    """[S, I, 3] log1p popularity at the S dates of the item snapshots."""
    snapshot: Ints
    """[N] which of the S snapshots was the newest at each interaction."""
    eligible: Mask
    """[N] False for interactions of users that the training filter leaves out."""

    @property
    def n_users(self) -> int:
        """U."""
        return int(self.user.max(initial=-1)) + 1

    @property
    def has_time(self) -> bool:
        """False where all interactions have one timestamp, and so no order."""
        return bool((self.timestamp != self.timestamp[:1]).any())

    @property
    def item_counts(self) -> Ints:
        """[I] interactions of each item."""
        return np.bincount(self.item, minlength=len(self.items))

    @property
    def popularity_share(self) -> Floats:
        """[I] interactions of each item over those of the most popular one; float32."""
        counts = self.item_counts.astype(np.float32)
        share: Floats = counts / max(counts.max(initial=0), 1)
        return share

    def by_user(self) -> sparse.csr_array:
        """[U, I] 1 where the user chose the item."""
        return interaction_matrix(self.user, self.item, len(self.items))

    def require_rows(self, model: str) -> None:
        """Refuse an empty training part.

        Raises:
            UserError: there is no interaction; the message names the model.
        """
        if not len(self.item):
            raise UserError(f"there is nothing for {model} to learn from: the training part is empty")

    def eligible_rows(self, model: str) -> Ints:
        """Numbers of the rows whose users the training filter admits, ascending.

        Of more than `MOST_ROWS` those of users drawn at random: what a network learns from features, it learns from
        some millions of rows.

        Raises:
            UserError: there are none; the message names the model.
        """
        if not self.eligible.any():
            raise UserError(
                f"there is nothing for {model} to learn from: the training filter admits none of the users;"
                " build the features with a wider `training_filter`, or choose a model that ignores it"
            )
        rows = np.flatnonzero(self.eligible)
        if len(rows) <= MOST_ROWS:
            return rows
        return rows[rows_of_some_users(self.user[rows], MOST_ROWS)]


def rows_of_some_users(user: Ints, at_most: int) -> Ints:
    """Numbers of all rows of users drawn at random, at least one, ascending.

    Args:
        user: [N] of each row; ascending.
        at_most: rows in all, unless one user has more.
    """
    if len(user) <= at_most:
        return np.arange(len(user))
    _, counts = np.unique(user, return_counts=True)
    order = np.random.default_rng(0).permutation(len(counts))
    drawn = np.zeros(len(counts), dtype=bool)
    drawn[order[np.cumsum(counts[order]) <= at_most]] = True
    drawn[order[0]] = True
    return np.flatnonzero(np.repeat(drawn, counts))
