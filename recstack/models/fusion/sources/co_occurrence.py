"""Items that stand near each other in histories: what users choose in one sitting, before or after an item."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.fusion.sources.item_to_item import ItemToItem
from recstack.models.learning.neighbours import strongest


@dataclass(frozen=True)
class CoOccurrence(ItemToItem):
    """Two items d positions apart in one history count `decay` ^ (d - 1), up to `window` positions.

    `scale` "given" divides by n_i + shrinkage, an estimate of how likely item j is near item i; "cosine" divides by
    sqrt(n_i n_j) + shrinkage, which favours popular items less; "log" is ln(1 + 30 "given"), whose sums are large for
    items that are related to many items of the history. Data without time have no order: nothing is related there.
    """

    direction: Literal["forward", "backward", "both"] = "both"
    window: int = 5
    decay: float = 0.7
    scale: Literal["given", "cosine", "log"] = "given"
    shrinkage: float = 5.0
    half_life: float | None = None
    """Age, as a share of all interactions, at which a pair counts half; None: all pairs count the same."""

    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """[I, I] relations, row i for item i of the history."""
        shape = (past.n_items, past.n_items)
        if not past.timed:
            return sparse.csr_array(shape, dtype=np.float32)
        forward = past.pairs(self.window, self.decay, self.half_life)
        backward = forward.T.tocsr()
        pairs = {"forward": forward, "backward": backward, "both": forward + backward}[self.direction].tocoo()
        counts = past.counts.clip(min=1)
        given, other = counts[pairs.row], counts[pairs.col]
        if self.scale == "cosine":
            value = pairs.data / ((given * other) ** np.float32(0.5) + np.float32(self.shrinkage))
        else:
            value = pairs.data / (given + np.float32(self.shrinkage))
        if self.scale == "log":
            value = np.log1p(30 * value)
        related = sparse.csr_array((value.astype(np.float32), (pairs.row, pairs.col)), shape=shape)
        return strongest(related, self.neighbours)
