"""EASE over the popular items: its weights leave out what other items of the history already explain."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy import sparse

from recstack.models.fusion.sources.base import KnownInteractions, Relations
from recstack.models.learning.ease import ease_weights


@dataclass(frozen=True)
class EaseRelations(Relations):
    """See `learning.ease`. 2,000 items take half a second, and nearly all interactions are theirs."""

    regularisations: Mapping[str, float]
    """λ of each relation, by name."""
    max_items: int = 2000
    """Items of the core, the most popular ones."""

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Relations`."""
        return tuple(self.regularisations)

    def learn(self, past: KnownInteractions, neighbours: int) -> list[sparse.csr_array]:
        """Weights B; zero for items that are not modelled."""
        chosen = past.by_user()
        return [
            ease_weights(chosen, regularisation=each, neighbours=neighbours, max_items=self.max_items)
            for each in self.regularisations.values()
        ]
