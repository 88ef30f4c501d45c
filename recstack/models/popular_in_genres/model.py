"""Popular in your genres: what everybody chooses, moved up where it fits the profile. The simplest personal one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.search_space import Between, SearchSpace


@dataclass(frozen=True)
class Config:
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    taste: float = 4.0
    """How much the genres count; 0 is `popularity`."""


class PopularInGenres(Recommender):
    """Scores an item by ln(1 + interactions) + taste * mean centred genre score of its genres.

    So an item counts as if it were e ^ (taste * score) times as popular, with the score in -1..1. Without a profile,
    or where there are no genres, popularity decides.
    """

    name: ClassVar[str] = "popular_in_genres"
    space: ClassVar[SearchSpace] = {"taste": Between(0.0, 20.0)}

    def __init__(self, popularity: Floats, items: ItemBatch, taste: float) -> None:
        """Keep the [I] logarithm of the counts and the [I, G] genres as shares that sum to 1."""
        self.popularity = popularity
        self.genres = items.genres / items.genres.sum(axis=1, keepdims=True).clip(min=1)
        self.taste = taste

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
        config = Config(**(options or {}))
        counts = np.bincount(data.item, minlength=len(data.items))
        return cls(np.log1p(counts).astype(np.float32), data.items, config.taste)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I], -inf where not allowed."""
        scores = self.popularity + np.float32(self.taste) * (users.genres @ self.genres.T)
        return np.where(allowed, scores, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `popularity.npy` and `taste.json`; genres are features, not the model's own."""
        np.save(folder / "popularity.npy", self.popularity)
        (folder / "taste.json").write_text(json.dumps(self.taste))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "popularity.npy"), items, json.loads((folder / "taste.json").read_text()))
