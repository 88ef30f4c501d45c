"""Sources that relate items to items: a user's weighted history times a sparse matrix."""

from dataclasses import dataclass, replace

from recstack.features.arrays import Floats
from recstack.features.batches import UserBatch
from recstack.models.fusion.sources.base import CandidateSource
from recstack.models.learning.history import decay_weights


@dataclass(frozen=True)
class ItemToItem(CandidateSource):
    """The score of item i is the sum over the history of weight * learned[history item, i].

    The r-th newest item (r = 0, 1, ...) weighs `recency_decay` ^ r, and every item of the history `base` on top.
    """

    recency_decay: float = 0.8
    base: float = 0.0
    neighbours: int = 300
    """Related items kept of each item."""

    def recipe(self) -> CandidateSource:
        """Weights of the history matter to `score` only."""
        return replace(self, learned=None, recency_decay=0.0, base=0.0)

    def score(self, users: UserBatch) -> Floats:
        """[B, I] summed relations to the history; zeros without one."""
        history = decay_weights(users, self.matrix.shape[0], self.recency_decay, self.base)
        scores: Floats = (history @ self.matrix).toarray()
        return scores
