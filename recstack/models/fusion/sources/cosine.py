"""Items that the same users chose, whenever they did."""

from dataclasses import dataclass

from scipy import sparse

from recstack.models.fusion.sources.base import KnownInteractions, Relations
from recstack.models.learning.cosine import cosine


@dataclass(frozen=True)
class CosineRelations(Relations):
    """See `learning.cosine`."""

    names = ("cosine",)
    shrinkage: float = 5.0

    def learn(self, past: KnownInteractions, neighbours: int) -> list[sparse.csr_array]:
        """Similarities without the diagonal."""
        return [cosine(past.by_user(), self.shrinkage, neighbours)]
