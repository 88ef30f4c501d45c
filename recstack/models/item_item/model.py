"""Item-item cosine: items that the same users chose. The personal baseline that the neural models have to beat."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.cosine import cosine
from recstack.models.learning.history import equal_weights
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.tie_break import with_tie_break
from recstack.models.training_data import TrainingData


class Config(ModelConfig):
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time (docs/adr/0003)."""

    shrinkage: float = 5.0
    """Lowers the similarity of pairs that few users share."""
    neighbours: int = 400
    """Similar items kept of each item; more only cost time."""


class ItemItem(Recommender):
    """Item-based k-nearest neighbours on implicit feedback.

    The score of item i is the sum of its similarity (see `cosine`) to the items of the user's whole history. Without
    history, and among ties, popularity decides.
    """

    name: ClassVar[str] = "item_item"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "shrinkage": Between(0.1, 300.0, log=True),
        "neighbours": Between(10, 1000, log=True),
    }

    def __init__(self, similarity: sparse.csr_array, popularity: Floats) -> None:
        """Keep the sparse [I, I] similarities and the [I] popularity scaled to 0..1."""
        self.similarity = similarity
        self.popularity = popularity

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Count pairs over all training interactions, also those of users that the training filter leaves out."""
        config = Config.read(context.options, cls.name)
        return cls(cosine(data.by_user(), config.shrinkage, config.neighbours), data.popularity_share)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] summed similarity to `UserBatch.seen`, -inf where not allowed."""
        history = equal_weights(users, len(self.popularity))
        return with_tie_break((history @ self.similarity).toarray(), self.popularity, allowed)

    def save(self, folder: Path) -> None:
        """Write `similarity.npz` and `popularity.npy`."""
        sparse.save_npz(folder / "similarity.npz", self.similarity)
        np.save(folder / "popularity.npy", self.popularity)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(sparse.load_npz(folder / "similarity.npz"), np.load(folder / "popularity.npy"))
