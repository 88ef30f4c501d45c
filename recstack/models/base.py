"""The contract that every model keeps; evaluation, archive and serving know nothing else of a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.learning.search_space import SearchSpace


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
    timestamp: Ints
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
    """A trained model.

    `score` answers for everybody, users whom training never saw included, and knows them by their features. A user id
    may do one thing: find a vector that training made for that user.
    """

    name: ClassVar[str]
    space: ClassVar[SearchSpace] = {}
    """What `recstack tune` may choose."""

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
            users: B users, known or strangers; a stranger is scored by the features alone.
            allowed: [B, I] which items may be recommended to each.

        Returns:
            [B, I] scores, higher is better, -inf where not allowed.
        """

    def best(self, users: UserBatch, allowed: Mask, k: int) -> tuple[Ints, Floats]:
        """The k best items of each user. A model overrides this if it can tell them without the scores of all.

        Args:
            users: B users.
            allowed: [B, I] which items may be recommended to each.
            k: at least 1.

        Returns:
            [B, min(k, I)] positions, best first, ties by position, and as many scores: those of `score`, -inf where
            fewer items are allowed or have a number.
        """
        scores = self.score(users, allowed)
        usable = np.where(allowed & np.isfinite(scores), scores, -np.inf)
        positions = top_k(usable, k)
        return positions, np.take_along_axis(usable, positions, axis=1)

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's state into an existing folder; no pickles."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote, for the catalogue `items` encoded by `encoder`."""


GROUP = 128
"""Items of a group in `top_k`, at most."""


def top_k(scores: Floats, k: int) -> Ints:
    """[B, k] positions of the best items, best first; ties by position, i.e. by item id.

    Raises:
        ValueError: scores that are not numbers leave fewer than k items to name.
    """
    rows, n_items = scores.shape
    k = min(k, n_items)
    order = np.empty((rows, k), dtype=np.int64)
    if not k:
        return order
    # One pass finds the best of each of many groups. The k-th of these is a score that the k best items reach and few
    # others do; among those a stable sort decides.
    size = max(1, min(GROUP, n_items // (8 * k)))
    groups = n_items // size
    best = scores[:, : size * groups].reshape(rows, size, groups).max(axis=1)
    bounds = np.partition(best, groups - k, axis=1)[:, groups - k]
    for row, (values, bound) in enumerate(zip(scores, bounds, strict=True)):
        reached = np.flatnonzero(values >= bound)
        if len(reached) < k:
            raise ValueError(f"row {row} holds scores that are not numbers (NaN)")
        if len(reached) > 8 * k:  # most of a row may be tied at the bound: no sort of those
            tied = values[reached] == bound
            reached = np.concatenate([reached[~tied], reached[tied][:k]])
        order[row] = reached[np.argsort(-values[reached], kind="stable")[:k]]
    return order
