"""Items that stand near each other in people's histories: what is chosen in one sitting, and in which direction."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from recstack.models.fusion.sources.base import Past
from recstack.models.fusion.sources.item_to_item import ItemToItem, strongest

BOTH_SIDES: float = 0.5
"""Exponent of both counts where neither item is the condition."""


@dataclass(frozen=True)
class CoOccurrence(ItemToItem):
    """Two items d places apart in one history count `decay` ^ (d - 1), up to `window` places.

    Divided by n_i + shrinkage it estimates what follows i ("given"), by sqrt(n_i n_j) + shrinkage it is a cosine that
    popular items don't win ("cosine"); with "log" it is ln(1 + 30 "given"), whose sums are large for what goes with
    many items of the history. Histories of data without time have no places: nothing is related there.
    """

    direction: Literal["forward", "backward", "both"] = "both"
    window: int = 5
    decay: float = 0.7
    scale: Literal["given", "cosine", "log"] = "given"
    shrinkage: float = 5.0
    half_life: float | None = None
    """Age, as a share of all interactions, at which a pair counts half; None forgets nothing."""

    def learn(self, past: Past) -> sparse.csr_array:
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
            value = pairs.data / ((given * other) ** np.float32(BOTH_SIDES) + np.float32(self.shrinkage))
        else:
            value = pairs.data / (given + np.float32(self.shrinkage))
        if self.scale == "log":
            value = np.log1p(30 * value)
        related = sparse.csr_array((value.astype(np.float32), (pairs.row, pairs.col)), shape=shape)
        return strongest(related, self.neighbours)
