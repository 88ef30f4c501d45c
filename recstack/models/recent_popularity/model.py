"""Recently popular: what others choose just now. A baseline that forgets."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from recstack.errors import UserError
from recstack.features.arrays import Floats, Mask
from recstack.features.encode import DAY, Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.loop import SCORE

TIE_BREAK = 1e-6
"""Weight of an interaction that is forgotten, which keeps items that nobody chose lately in order of popularity."""


@dataclass(frozen=True)
class Config:
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

    def __init__(self, counts: Floats, half_life: float) -> None:
        """Keep the [I] faded interaction counts, and the days that they faded with."""
        self.counts = counts
        self.half_life = half_life

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
        """Count all training interactions, also those of users whom the training filter leaves out.

        Raises:
            UserError: there is no half-life to try.
        """
        config = Config(**(options or {}))
        if not config.half_lives:
            raise UserError("recent_popularity needs a half-life to try, but half_lives is empty")
        age = (data.timestamp.max(initial=0) - data.timestamp) / DAY
        half_lives = config.half_lives if age.any() else config.half_lives[:1]
        candidates = [cls(_faded(data, age, half_life), half_life) for half_life in half_lives]
        if validate is None:
            return candidates[0]
        scores = []
        for trial, model in enumerate(candidates, 1):
            scores.append(validate(model))
            if report is not None:
                report(Progress(trial, {"half_life": model.half_life, SCORE: scores[-1]}))
        return candidates[int(np.argmax(scores))]

    def refit_options(self) -> dict[str, Any]:
        """The half-life that was best, and no other."""
        return {"half_lives": [self.half_life]}

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] faded counts, -inf where not allowed."""
        return np.where(allowed, self.counts, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `popularity.npy` and `half_life.json`."""
        np.save(folder / "popularity.npy", self.counts)
        (folder / "half_life.json").write_text(json.dumps(self.half_life))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "popularity.npy"), json.loads((folder / "half_life.json").read_text()))


def _faded(data: TrainingData, age: npt.NDArray[np.float64], half_life: float) -> Floats:
    weights = np.exp2(-age / half_life) + TIE_BREAK
    return np.bincount(data.item, weights, minlength=len(data.items)).astype(np.float32)
