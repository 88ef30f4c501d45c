"""The made-up items: their genres and how popular they are."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recstack.data.adapters.synthetic_draws import ITEM_SALT, Floats, Ints, hashed, order, uniform

_POWER: Final = 0.8
"""The popularity of the item of rank r is (r + 1) ** -_POWER."""


@dataclass(frozen=True)
class SyntheticCatalogue:
    """I made-up items, drawn by popularity from the items of one genre or from all."""

    genres: Ints
    """[I, 3 + further] genres of each item, -1 pads."""
    members: Ints
    """Items (0-based) of genre 0, of genre 1, …, and at last all items."""
    cumulative: Floats
    """Running sum of the popularity of `members`."""
    bounds: Floats
    """[G + 2] value of `cumulative` at which each group begins, and the total."""

    @classmethod
    def of(cls, seed: int, n_items: int, n_genres: int, further_genres: int) -> Self:
        """Make the items 1..n_items; see `item_genres`."""
        items = np.arange(1, n_items + 1)
        genres = item_genres(seed, items, n_genres, further_genres)
        rank = np.argsort(np.argsort(hashed(seed, ITEM_SALT, items, 0)))
        owner, slot = np.nonzero(genres >= 0)
        group = np.concatenate([genres[owner, slot], np.full(n_items, n_genres)])
        member = np.concatenate([owner, np.arange(n_items)])
        order = np.argsort(group, kind="stable")
        cumulative = np.cumsum((rank[member[order]] + 1.0) ** -_POWER)
        sizes = np.bincount(group, minlength=n_genres + 1)
        bounds = np.concatenate([[0.0], cumulative])[np.concatenate([[0], np.cumsum(sizes)])]
        return cls(genres, member[order], cumulative, bounds)

    def draw(self, group: Ints, share: Floats) -> Ints:
        """An item of each group by popularity; of the whole catalogue where the group is empty.

        Args:
            group: [N] number of a genre, or G for all items.
            share: [N] random numbers in [0, 1).

        Returns:
            [N] items, 0-based.
        """
        group = np.where(self.bounds[group] < self.bounds[group + 1], group, len(self.bounds) - 2)
        height = self.bounds[group] + share * (self.bounds[group + 1] - self.bounds[group])
        member = np.searchsorted(self.cumulative, height, side="right").clip(max=len(self.members) - 1)
        drawn: Ints = self.members[member]
        return drawn


def item_genres(seed: int, items: Ints, n_genres: int, further_genres: int) -> Ints:
    """[I, 3 + further_genres] distinct genres of items; -1 pads, for 40 % of the second and 70 % of the third."""
    draws = hashed(seed, ITEM_SALT, items[:, None], 4 + np.arange(n_genres))
    genres = order(draws)[:, : 3 + further_genres]
    genres[uniform(seed, ITEM_SALT, items, 1) < 0.4, 1] = -1
    genres[uniform(seed, ITEM_SALT, items, 2) < 0.7, 2] = -1
    return genres
