"""Popular in your genres: popularity, raised for items that fit the user's genre profile."""

import json
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.training_data import TrainingData


class Config(ModelConfig):
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    taste: float = 4.0
    """How much the genres count; 0 is `popularity`."""


class PopularInGenres(Recommender):
    """Scores an item by ln(1 + interactions) + taste * mean centred genre score of its genres.

    So an item counts as if it were e ^ (taste * score) times as popular, with the score in -1..1. Without a profile,
    or where there are no genres, popularity decides.
    """

    name: ClassVar[str] = "popular_in_genres"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {"taste": Between(0.0, 20.0)}

    def __init__(self, popularity: Floats, items: ItemBatch, taste: float) -> None:
        """Keep the [I] logarithm of the counts and the [I, G] genres as shares that sum to 1."""
        self.popularity = popularity
        self.genres = items.genres / items.genres.sum(axis=1, keepdims=True).clip(min=1)
        self.taste = taste

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Count all training interactions, also those of users that the training filter leaves out."""
        config = Config.read(context.options, cls.name)
        return cls(np.log1p(data.item_counts).astype(np.float32), data.items, config.taste)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I], -inf where not allowed."""
        scores = self.popularity + np.float32(self.taste) * (users.genres @ self.genres.T)
        return np.where(allowed, scores, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `popularity.npy` and `taste.json`; genres are features and not part of the model."""
        np.save(folder / "popularity.npy", self.popularity)
        (folder / "taste.json").write_text(json.dumps(self.taste))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "popularity.npy"), items, json.loads((folder / "taste.json").read_text()))
