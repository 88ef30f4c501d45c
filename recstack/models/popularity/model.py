"""Popularity: what everybody watched. The baseline that any personal model has to beat."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData


class Popularity(Recommender):
    """Scores an item by its number of training interactions, the same for every user."""

    name: ClassVar[str] = "popularity"

    def __init__(self, counts: Floats) -> None:
        """Keep the [I] interaction counts."""
        self.counts = counts

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        validate: Callable[[Recommender], float] | None = None,
        report: Callable[[Progress], None] | None = None,
        checkpoint: Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> Self:
        """Count all training interactions, also those of users whom the training filter leaves out."""
        if options:
            raise ValueError(f"popularity has no options, but got {sorted(options)}")
        return cls(np.bincount(data.item, minlength=len(data.items)).astype(np.float32))

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] counts, -inf where not allowed."""
        return np.where(allowed, self.counts, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `popularity.npy`."""
        np.save(folder / "popularity.npy", self.counts)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "popularity.npy"))
