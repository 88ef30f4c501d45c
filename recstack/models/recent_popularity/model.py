"""Recent popularity: what users choose now. A baseline that forgets."""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recstack.data.timestamps import DAY
from recstack.errors import UserError
from recstack.features.arrays import Doubles, Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.checkpoint import SCORE
from recstack.models.training_data import TrainingData

TIE_BREAK = 1e-6
"""Weight added to each interaction, so that items that nobody chose lately stay in order of popularity."""


class Config(ModelConfig):
    """Options of the model."""

    half_lives: tuple[float, ...] = (30.0, 10.0, 100.0, 300.0, 1000.0)
    """Days after which an interaction counts half, to try; the best on validation is kept, the first without it.

    No single one is right: MovieLens-100K prefers 10 days, latest-small, as many ratings in 22 years, prefers 300.
    """


class RecentPopularity(Recommender):
    """Scores an item by the sum of 2 ^ -(age / half-life) over its training interactions, the same for every user.

    Age is counted from the newest training interaction. In data without time all are equally old: it is `popularity`.
    """

    name: ClassVar[str] = "recent_popularity"
    config_class: ClassVar[type[ModelConfig]] = Config

    def __init__(self, counts: Floats, half_life: float) -> None:
        """Keep the [I] weighted counts, and the half-life in days that they were counted with."""
        self.counts = counts
        self.half_life = half_life

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Count all training interactions, also those of users that the training filter leaves out.

        Raises:
            UserError: there is no half-life to try.
        """
        config = Config.read(context.options, cls.name)
        if not config.half_lives:
            raise UserError("recent_popularity needs a half-life to try, but half_lives is empty")
        end = data.timestamp.max() if len(data.timestamp) else 0  # below 0 in a log that ends before 1970
        age = (end - data.timestamp) / DAY
        half_lives = config.half_lives if age.any() else config.half_lives[:1]
        candidates = [cls(_weighted_counts(data, age, half_life), half_life) for half_life in half_lives]
        if context.validate is None:
            return candidates[0]
        scores = []
        for trial, model in enumerate(candidates, 1):
            scores.append(context.validate(model))
            context.on_epoch(Epoch(trial, {"half_life": model.half_life, SCORE: scores[-1]}))
        return candidates[int(np.argmax(scores))]

    def refit_options(self) -> dict[str, Any]:
        """The half-life that was best, and no other."""
        return {"half_lives": [self.half_life]}

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] weighted counts, -inf where not allowed."""
        return np.where(allowed, self.counts, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `popularity.npy` and `half_life.json`."""
        np.save(folder / "popularity.npy", self.counts)
        (folder / "half_life.json").write_text(json.dumps(self.half_life))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "popularity.npy"), json.loads((folder / "half_life.json").read_text()))


def _weighted_counts(data: TrainingData, age: Doubles, half_life: float) -> Floats:
    """[I] from the [N] ages in days."""
    weights = np.exp2(-age / half_life) + TIE_BREAK
    return np.bincount(data.item, weights, minlength=len(data.items)).astype(np.float32)
