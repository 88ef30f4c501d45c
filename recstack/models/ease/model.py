"""EASE-R: an item-item model in closed form, hard to beat for what it costs."""

import json
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.ease import ease_weights
from recstack.models.learning.history import power_weights
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.tie_break import with_tie_break
from recstack.models.training_data import TrainingData


class Config(ModelConfig):
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    regularisation: float = 300.0
    """λ of the paper."""
    recency_power: float = 1.0
    """The r-th newest item of a history weighs r ^ -recency_power in its scores; 0 is the paper's model."""
    neighbours: int = 500
    """Weights kept of each item, the largest by magnitude; the catalogue's size is the paper's model."""
    max_items: int = 20_000
    """Most popular items that are modelled; all others score as if unrelated to anything."""


class Ease(Recommender):
    """Scores are X B with the item-item weights B of `ease_weights`.

    X holds the user's whole history, in which older items may weigh less; in data without time all weigh the same.
    Without history popularity decides.
    """

    name: ClassVar[str] = "ease"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "regularisation": Between(10.0, 3000.0, log=True),
        "recency_power": Between(0.0, 2.0),
    }

    def __init__(self, weights: sparse.csr_array, popularity: Floats, recency_power: float) -> None:
        """Keep the sparse [I, I] weights B, row i for item i of the history, and the [I] popularity scaled to 0..1."""
        self.weights = weights
        self.popularity = popularity
        self.recency_power = recency_power

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Solve for all training interactions, also those of users that the training filter leaves out."""
        config = Config.read(context.options, cls.name)
        weights = ease_weights(
            data.by_user(),
            regularisation=config.regularisation,
            neighbours=config.neighbours,
            max_items=config.max_items,
        )
        return cls(weights, data.popularity_share, config.recency_power if data.has_time else 0.0)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] history times weights, -inf where not allowed."""
        history = power_weights(users, len(self.popularity), self.recency_power)
        return with_tie_break((history @ self.weights).toarray(), self.popularity, allowed)

    def save(self, folder: Path) -> None:
        """Write `weights.npz`, `popularity.npy` and `recency_power.json`."""
        sparse.save_npz(folder / "weights.npz", self.weights)
        np.save(folder / "popularity.npy", self.popularity)
        (folder / "recency_power.json").write_text(json.dumps(self.recency_power))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        recency_power = json.loads((folder / "recency_power.json").read_text())
        return cls(sparse.load_npz(folder / "weights.npz"), np.load(folder / "popularity.npy"), recency_power)
