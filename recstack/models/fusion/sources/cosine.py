"""Items that the same users chose, whenever they did."""

from dataclasses import dataclass

from scipy import sparse

from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.fusion.sources.item_to_item import ItemToItem
from recstack.models.learning.cosine import cosine


@dataclass(frozen=True)
class CosineSource(ItemToItem):
    """See `learning.cosine`."""

    shrinkage: float = 5.0

    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """[I, I] similarities without the diagonal."""
        return cosine(past.by_user(), self.shrinkage, self.neighbours)
