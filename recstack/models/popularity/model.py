"""Popularity: what most users chose. The baseline that any personal model has to beat."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.training_data import TrainingData


class Popularity(Recommender):
    """Scores an item by its number of training interactions, the same for every user."""

    name: ClassVar[str] = "popularity"

    def __init__(self, counts: Floats) -> None:
        """Keep the [I] interaction counts."""
        self.counts = counts

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Count all training interactions, also those of users that the training filter leaves out."""
        ModelConfig.read(context.options, cls.name)
        return cls(data.item_counts.astype(np.float32))

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
