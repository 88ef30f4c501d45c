"""User and item bias: some people are strict, some films are good. The baseline of every rating model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from recstack.features.arrays import Floats
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.biases import Biases, Ratings
from recstack.models.learning.rating_model import RatingModel


@dataclass(frozen=True)
class Config:
    """Chosen on held-out training ratings of MovieLens latest-small, stratified; 3 to 8 differ by 0.001 in RMSE."""

    user_shrinkage: float = 5.0
    item_shrinkage: float = 5.0


class Bias(RatingModel):
    """Predicts mu + b_u + b_i, see `Biases`; the user's offset comes from the history given, so strangers have one."""

    name: ClassVar[str] = "bias"

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
        """Learn from all training ratings, also those of users whom the training filter leaves out.

        Raises:
            UserError: there is none.
        """
        config = Config(**(options or {}))
        return cls(Biases.fit(Ratings.of(data), config.user_shrinkage, config.item_shrinkage))

    def predict(self, users: UserBatch) -> Floats:
        """[B, I]; of a stranger nothing but mu + b_i is known."""
        return self.biases.baseline(self.biases.of_users(self.biases.residuals(users)))

    def save(self, folder: Path) -> None:
        """Write the offsets."""
        self.biases.save(folder)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(Biases.load(folder))
