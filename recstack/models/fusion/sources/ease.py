"""EASE over the popular items: its weights leave out what other items of the history already explain."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.fusion.sources.item_to_item import ItemToItem
from recstack.models.learning.ease import ease_weights


@dataclass(frozen=True)
class EaseSource(ItemToItem):
    """See `learning.ease`. 3,000 items take a second or two, and nearly all interactions are theirs."""

    regularisation: float = 300.0
    """λ."""
    max_items: int = 3000

    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """[I, I] weights B; zero for items that are not modelled."""
        return ease_weights(
            past.by_user(),
            regularisation=self.regularisation,
            neighbours=self.neighbours,
            max_items=self.max_items,
            dtype=np.float64,
        )
