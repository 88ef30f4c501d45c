"""Implicit ALS: matrix factorisation by Spark; its item factors are enough to answer requests."""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.tie_break import with_tie_break
from recstack.models.training_data import TrainingData


class Config(ModelConfig):
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    rank: int = 64
    regularisation: float = 0.1
    """λ, times the number of interactions of the user or item, as in Spark (weighted-λ regularisation)."""
    confidence: float = 1.0
    """α: an interaction has confidence 1 + α, everything else 1."""
    iterations: int = 8


class Als(Recommender):
    """Score y_i · x of item factors y and the user's x, which is solved for on the user's live history.

    x = (Yᵀ C Y + λ n I)⁻¹ Yᵀ C p, where p is 1 for the n items of the history and C is 1 + α for them, else 1
    (Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, equation 4; λ n
    instead of λ as in Spark). Spark's own last step is this: users of the training part get the factors that Spark
    found for them, and new users get theirs without retraining. Without history popularity decides.
    """

    name: ClassVar[str] = "als"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "rank": Between(16, 128, log=True),
        "regularisation": Between(0.003, 1.0, log=True),
        "confidence": Between(1.0, 100.0, log=True),
    }

    def __init__(self, factors: Floats, popularity: Floats, config: Config) -> None:
        """Keep the [I, d] item factors and the [I] popularity scaled to 0..1."""
        self.factors = factors
        self.popularity = popularity
        self.config = config

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Factorise all training interactions, also those of users that the training filter leaves out.

        Raises:
            UserError: there is no interaction.
        """
        from recstack.models.learning.spark_als import factorise  # serving loads this module without Spark

        config = Config.read(context.options, cls.name)
        data.require_rows(cls.name)
        _, factors = factorise(data.user, data.item, n_items=len(data.items), seed=context.seed, **config.model_dump())
        return cls(factors, data.popularity_share, config)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] dot products, -inf where not allowed."""
        return with_tie_break(self.fold_in(users) @ self.factors.T, self.popularity, allowed)

    def fold_in(self, users: UserBatch) -> Floats:
        """[B, d] user factors of the whole live history; zeros without any."""
        factors = self.factors.astype(np.float64)
        size = factors.shape[1]
        left = np.repeat((factors.T @ factors)[None], len(users), axis=0)
        right = np.zeros((len(users), size, 1))
        for row, (start, end) in enumerate(pairwise(users.seen_offsets.tolist())):
            known = factors[users.seen[start:end]]
            left[row] += self.config.confidence * (known.T @ known)
            left[row, range(size), range(size)] += self.config.regularisation * max(len(known), 1)
            right[row, :, 0] = (1 + self.config.confidence) * known.sum(axis=0)
        found: Floats = np.linalg.solve(left, right)[:, :, 0].astype(np.float32)
        return found

    def save(self, folder: Path) -> None:
        """Write `factors.npy`, `popularity.npy` and `config.json`."""
        np.save(folder / "factors.npy", self.factors)
        np.save(folder / "popularity.npy", self.popularity)
        (folder / "config.json").write_text(self.config.model_dump_json(indent=2))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        config = Config.model_validate_json((folder / "config.json").read_text())
        return cls(np.load(folder / "factors.npy"), np.load(folder / "popularity.npy"), config)
