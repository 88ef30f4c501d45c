"""Items that the same people chose, whenever they did."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recstack.models.fusion.sources.base import Past
from recstack.models.fusion.sources.item_to_item import ItemToItem, strongest

BLOCK = 512
"""Items whose relations are in work at the same time."""


@dataclass(frozen=True)
class Cosine(ItemToItem):
    """n_ij / (sqrt(n_i n_j) + shrinkage), where n counts users (see `models.item_item`)."""

    shrinkage: float = 5.0

    def learn(self, past: Past) -> sparse.csr_array:
        """[I, I] similarities without the diagonal."""
        chosen = past.by_user()
        by_item = chosen.T.tocsr()
        norms = np.sqrt(past.counts.clip(min=1))
        blocks = []
        for start in range(0, past.n_items, BLOCK):
            together = (by_item[start : start + BLOCK] @ chosen).tocoo()
            row = together.row + start
            value = together.data / (norms[row] * norms[together.col] + np.float32(self.shrinkage))
            value[row == together.col] = 0.0
            block = sparse.csr_array((value, (together.row, together.col)), shape=together.shape)
            block.eliminate_zeros()
            blocks.append(strongest(block, self.neighbours))
        return sparse.vstack(blocks, format="csr")
