"""A request's ranking: the model's best allowed items, filled up with popular ones to the wanted length."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.recommend.catalogue import Catalogue


@dataclass(frozen=True, eq=False)
class RankedItems:
    """K items by their positions in the catalogue, best first, with a score each."""

    positions: Ints
    """[K]"""
    scores: Floats
    """[K] descending."""

    def __len__(self) -> int:
        return len(self.positions)

    def usable(self, allowed: Mask, k: int) -> "RankedItems":
        """The best k items that are allowed ([I]) and have a number as score, whatever a model may name."""
        usable = np.isfinite(self.scores) & allowed[self.positions]
        return RankedItems(self.positions[usable][:k], self.scores[usable][:k])

    def popular(self, allowed: Mask, k: int, catalogue: Catalogue) -> "RankedItems":
        """The most popular allowed items ([I]) that are not in this ranking, as many as it lacks to k.

        Their scores go on below the last one of this ranking; without one they are the popularity itself.
        """
        if len(self) == k:
            return NOTHING
        free = allowed.copy()
        free[self.positions] = False
        order = catalogue.most_popular
        filling = order[free[order]][: k - len(self)]
        popularity = catalogue.popularity
        if len(self):
            return RankedItems(filling, self.scores[-1] - (popularity.max() - popularity[filling]))
        return RankedItems(filling, popularity[filling])

    def followed_by(self, others: "RankedItems") -> "RankedItems":
        """Both rankings as one."""
        return RankedItems(
            np.concatenate([self.positions, others.positions]), np.concatenate([self.scores, others.scores])
        )


NOTHING: Final = RankedItems(np.zeros(0, np.int64), np.zeros(0, np.float32))
