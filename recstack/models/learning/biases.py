"""How far ratings of a user and of an item lie from the mean rating: the base of every rating model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from recstack.errors import UserError
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.models.training_data import TrainingData

SWEEPS = 10
"""Turns of users and items; by then the offsets no longer change in the first four digits."""


@dataclass(frozen=True)
class Ratings:
    """N training ratings, at least one."""

    user: Ints
    """[N] dense user number, ascending."""
    item: Ints
    """[N] position in the catalogue."""
    value: Floats
    """[N] the rating."""
    n_users: int
    """U, of the whole training part."""
    n_items: int
    """I, the size of the catalogue."""

    @classmethod
    def of(cls, data: TrainingData, rows: Mask | None = None) -> Self:
        """All ratings of the training part, or some.

        Raises:
            UserError: there is none.
        """
        kept = slice(None) if rows is None else rows
        user, item, value = data.user[kept], data.item[kept], data.rating[kept]
        if not len(value):
            raise UserError("there is nothing for a rating model to learn from: the training part has no ratings")
        return cls(user, item, value, data.n_users, len(data.items))


@dataclass(frozen=True)
class Biases:
    """b_ui = mu + b_u + b_i (Koren, Bell, Volinsky, "Matrix factorization techniques", Computer 2009, equation 3).

    Offsets are shrunk means of what remains: b_i = sum of (r - mu - b_u) / (item_shrinkage + number of ratings), and
    likewise b_u (Koren, "Factor in the neighbors", TKDD 2010, section 2.1), computed in turns.
    """

    mean: float
    """mu, of all training ratings."""
    items: Floats
    """[I] b_i; 0 where nobody rated the item."""
    counts: Floats
    """[I] training ratings of each item."""
    user_shrinkage: float
    low: float
    """Smallest training rating."""
    high: float
    """Largest training rating."""

    @classmethod
    def fit(cls, ratings: Ratings, user_shrinkage: float, item_shrinkage: float) -> Self:
        """From all training ratings.

        Args:
            ratings: at least one.
            user_shrinkage: imagined ratings of mu + b_i added to the user's own.
            item_shrinkage: the same for items.
        """
        user, item = ratings.user, ratings.item
        n_users, n_items = ratings.n_users, ratings.n_items
        by_user, by_item = np.bincount(user, minlength=n_users), np.bincount(item, minlength=n_items)
        mean = float(ratings.value.mean(dtype=np.float64))
        users, items = np.zeros(n_users), np.zeros(n_items)
        for _ in range(SWEEPS):
            rest = np.bincount(item, ratings.value - mean - users[user], minlength=n_items)
            items = rest / (item_shrinkage + by_item).clip(min=1e-9)
            rest = np.bincount(user, ratings.value - mean - items[item], minlength=n_users)
            users = rest / (user_shrinkage + by_user).clip(min=1e-9)
        low, high = float(ratings.value.min()), float(ratings.value.max())
        return cls(mean, items.astype(np.float32), by_item.astype(np.float32), user_shrinkage, low, high)

    def residuals(self, users: UserBatch) -> sparse.csr_array:
        """[B, I] r - mu - b_i of the items that each user is known to have rated; entries may be 0."""
        known = ~np.isnan(users.seen_ratings)
        before = np.concatenate([[0], np.cumsum(known)])
        items = users.seen[known]
        values = self._without_item_offset(items, users.seen_ratings[known].astype(np.float32))
        return sparse.csr_array((values, items, before[users.seen_offsets]), shape=(len(users), len(self.items)))

    def training_residuals(self, ratings: Ratings) -> sparse.csr_array:
        """[U, I] the same of training ratings, by user number."""
        values = self._without_item_offset(ratings.item, ratings.value)
        return sparse.csr_array((values, (ratings.user, ratings.item)), shape=(ratings.n_users, ratings.n_items))

    def of_users(self, residuals: sparse.csr_array) -> Floats:
        """[B] b_u from [B, I] residuals; 0 for a user who rated nothing."""
        counts = np.diff(residuals.indptr)
        offsets: Floats = residuals.sum(axis=1) / (self.user_shrinkage + counts).clip(min=1e-9)
        return offsets.astype(np.float32)

    def baseline(self, offsets: Floats) -> Floats:
        """[B, I] mu + b_u + b_i of [B] user offsets."""
        return np.float32(self.mean) + self.items + offsets[:, None]

    def save(self, folder: Path) -> None:
        """Write `biases.npz`."""
        np.savez(folder / "biases.npz", **vars(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "biases.npz") as state:
            numbers = {name: float(state[name]) for name in ("mean", "user_shrinkage", "low", "high")}
            return cls(items=state["items"], counts=state["counts"], **numbers)

    def _without_item_offset(self, items: Ints, values: Floats) -> Floats:
        return values - np.float32(self.mean) - self.items[items]
