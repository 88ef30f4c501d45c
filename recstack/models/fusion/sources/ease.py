"""EASE over the popular items: relations that count what other items of the history already explain."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recstack.models.fusion.sources.base import Past
from recstack.models.fusion.sources.item_to_item import ItemToItem, strongest


@dataclass(frozen=True)
class Ease(ItemToItem):
    """B_ij = -P_ij / P_jj with P = (XᵀX + λ I)⁻¹ (Steck, WWW 2019, equation 8) over the most popular items.

    The inverse costs n³ for n items: 3,000 of them take a second or two, and nearly all interactions are theirs.
    """

    regularisation: float = 300.0
    """λ."""
    max_items: int = 3000

    def learn(self, past: Past) -> sparse.csr_array:
        """[I, I] weights B; zero for items that are not modelled."""
        counts = past.counts
        modelled = np.sort(np.argsort(-counts, kind="stable")[: self.max_items])
        modelled = modelled[counts[modelled] > 0]
        chosen = past.by_user()[:, modelled]
        gram = (chosen.T @ chosen).toarray().astype(np.float64)
        gram[np.diag_indices(len(modelled))] += self.regularisation
        inverse = np.linalg.inv(gram)
        weights = (-inverse / np.diag(inverse)).astype(np.float32)
        np.fill_diagonal(weights, 0.0)
        kept = strongest(sparse.csr_array(weights), self.neighbours).tocoo()
        placed = (kept.data, (modelled[kept.row], modelled[kept.col]))
        return sparse.csr_array(placed, shape=(past.n_items, past.n_items))
