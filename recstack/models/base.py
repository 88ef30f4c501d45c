"""The contract that every model keeps; evaluation, archive and serving know nothing else of a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from recstack.features.encode import Encoder, Floats, Ints, ItemBatch, UserBatch

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingData:
    """What a model may learn from: interactions before the split, and the features as they were at each of them."""

    encoder: Encoder
    items: ItemBatch
    """The catalogue as known at the end of the training part."""
    user: Ints
    """[N] user of each training interaction, as a dense number 0..n_users-1; sorted by (user, time)."""
    item: Ints
    """[N] item of each training interaction, a position in the catalogue."""
    rating: Floats
    """[N] its rating."""
    moment: Ints
    """[N] its epoch second; `features.user.TIMELESS` in data without time."""
    users: UserBatch
    """[N] the user's features just before each training interaction (without its own contribution)."""
    popularity: Floats
    """[S, I, 3] log1p popularity at the S dates of the item snapshots."""
    snapshot: Ints
    """[N] which of the S snapshots was the newest at each interaction."""
    eligible: Mask
    """[N] False for interactions of users whom the training filter leaves out."""


@dataclass(frozen=True)
class Progress:
    """What `fit` reports after each epoch."""

    epoch: int
    metrics: dict[str, float]


class Recommender(ABC):
    """A trained model. `score` sees features only, never a user id, so that it answers for strangers too."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        validate: Callable[["Recommender"], float] | None = None,
        report: Callable[[Progress], None] | None = None,
        checkpoint: Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> Self:
        """Train on `data`.

        Args:
            data: the training part.
            seed: of every random draw.
            validate: NDCG@10 of a model on the validation part; for early stopping.
            report: called after each epoch.
            checkpoint: file to resume from after a kill; models that train in seconds ignore it.
            options: overrides of the model's `Config` fields.
        """

    def refit_options(self) -> dict[str, Any]:
        """Options that make a second `fit`, on more data and without validation, end where this one was best."""
        return {}

    @abstractmethod
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """Score the whole catalogue.

        Args:
            users: B users.
            allowed: [B, I] which items may be recommended to each.

        Returns:
            [B, I] scores, higher is better, -inf where not allowed.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's state into an existing folder; no pickles."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote, for the catalogue `items` encoded by `encoder`."""


def top_k(scores: Floats, k: int) -> Ints:
    """[B, k] positions of the best items, best first; ties by position, i.e. by item id."""
    k = min(k, scores.shape[1])
    # argpartition leaves ties at the border to chance; a stable sort of the border's candidates does not.
    border = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    order = np.empty((len(scores), k), dtype=np.int64)
    for row, (values, least) in enumerate(zip(scores, border[:, 0], strict=True)):
        candidates = np.flatnonzero(values >= least)
        order[row] = candidates[np.argsort(-values[candidates], kind="stable")][:k]
    return order
