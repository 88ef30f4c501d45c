"""Spark ALS on explicit ratings: the matrix factorisation that every rating model is compared with."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext
from recstack.models.config import ModelConfig
from recstack.models.learning.biases import Biases, Ratings
from recstack.models.rating_model import RatingModel
from recstack.models.training_data import TrainingData


class Config(ModelConfig):
    """Chosen on held-out training ratings of MovieLens latest-small, stratified.

    RMSE there was 0.853 with rank 30 and 0.854 with rank 10 (with regularisation 0.1 0.868), and 0.883 on the ratings
    themselves instead of their residuals.
    """

    rank: int = 30
    regularisation: float = 0.2
    """Times the number of ratings of the user or item (ALS-WR)."""
    iterations: int = 10
    user_shrinkage: float = 5.0
    item_shrinkage: float = 5.0


class AlsRatings(RatingModel):
    """mu + b_u + b_i + p_u q_i; the factors are found by alternating least squares on the residuals r - mu - b_u - b_i.

    Weighted-lambda regularisation as in Zhou et al., "Large-scale parallel collaborative filtering for the Netflix
    prize", AAIM 2008, which is what `pyspark.ml.recommendation.ALS` does with `implicitPrefs=False`. The item factors q
    are kept. A user's p is solved from the history given, by the same ridge regression that ALS ends with, so that new
    users have one. Where Spark would answer NaN (`coldStartStrategy`), because it has no factors of the user or item,
    the offsets remain.
    """

    name: ClassVar[str] = "als_ratings"
    config_class: ClassVar[type[ModelConfig]] = Config

    def __init__(self, biases: Biases, factors: Floats, config: Config) -> None:
        """Keep the offsets and the [I, rank] item factors, 0 for items that nobody rated."""
        super().__init__(biases)
        self.factors = factors
        self.config = config

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Learn from all training ratings, also those of users that the training filter leaves out.

        Raises:
            UserError: there is none.
        """
        config = Config.read(context.options, cls.name)
        ratings = Ratings.of(data)
        biases = Biases.fit(ratings, config.user_shrinkage, config.item_shrinkage)
        residuals = biases.training_residuals(ratings)
        residuals.data -= np.repeat(biases.of_users(residuals), np.diff(residuals.indptr))
        return cls(biases, _item_factors(residuals, config, context.seed), config)

    def predict(self, users: UserBatch) -> Floats:
        """[B, I]; mu + b_i for a user without ratings."""
        residuals = self.biases.residuals(users)
        offsets = self.biases.of_users(residuals)
        residuals.data -= np.repeat(offsets, np.diff(residuals.indptr))
        factors = fold_in(residuals, self.factors, self.config.regularisation)
        return self.biases.baseline(offsets) + factors @ self.factors.T

    def save(self, folder: Path) -> None:
        """Write the offsets, `factors.npy` and `config.json`."""
        self.biases.save(folder)
        np.save(folder / "factors.npy", self.factors)
        (folder / "config.json").write_text(self.config.model_dump_json(indent=2))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        config = Config.model_validate_json((folder / "config.json").read_text())
        return cls(Biases.load(folder), np.load(folder / "factors.npy"), config)


def fold_in(residuals: sparse.csr_array, factors: Floats, regularisation: float) -> Floats:
    """[B, rank] user factors p that minimise sum of (residual - p q_i)^2 + regularisation * n * |p|^2.

    Args:
        residuals: [B, I] of what each user rated, n of them; a user without any gets zeros.
        factors: [I, rank] q.
        regularisation: above 0.
    """
    rank = factors.shape[1]
    found = np.zeros((residuals.shape[0], rank), dtype=np.float32)
    for row, (start, end) in enumerate(zip(residuals.indptr[:-1], residuals.indptr[1:], strict=True)):
        if start < end:
            rated = factors[residuals.indices[start:end]].astype(np.float64)
            ridge = rated.T @ rated + regularisation * (end - start) * np.eye(rank)
            found[row] = np.linalg.solve(ridge, rated.T @ residuals.data[start:end])
    return found


def _item_factors(residuals: sparse.csr_array, config: Config, seed: int) -> Floats:
    """[I, rank] from [U, I] by Spark."""
    from recstack.models.learning.spark_als import factorise  # serving loads this module without Spark

    _, factors = factorise(
        np.repeat(np.arange(residuals.shape[0]), np.diff(residuals.indptr)),
        residuals.indices.astype(np.int64),
        residuals.data,
        n_items=residuals.shape[1],
        rank=config.rank,
        regularisation=config.regularisation,
        iterations=config.iterations,
        seed=seed,
    )
    return factors
