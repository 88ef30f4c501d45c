"""The contract that every model keeps; evaluation, archive and serving know nothing else of a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.config import ModelConfig
from recstack.models.learning.search_space import SearchSpace
from recstack.models.learning.top_k import top_k
from recstack.models.training_data import TrainingData


@dataclass(frozen=True)
class Epoch:
    """What `fit` reports after each epoch."""

    number: int
    """From 1."""
    metrics: dict[str, float]


def ignore(epoch: Epoch) -> None:
    """Do nothing after an epoch."""


@dataclass(frozen=True)
class FitContext:
    """What a fit needs beside the data. A model that has no use for a field ignores it."""

    seed: int = 0
    """Of every random draw."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values of fields of the model's `Config`; the others keep their defaults."""
    validate: Callable[["Recommender"], float] | None = None
    """NDCG@10 of a model on the validation part, for early stopping; None where there is no such part."""
    on_epoch: Callable[[Epoch], None] = ignore
    """Called after each epoch."""
    checkpoint: Path | None = None
    """File that a killed fit resumes from; models that train in seconds need none."""

    def validation_of(self, current: Callable[[], "Recommender"]) -> Callable[[], float] | None:
        """A function that scores the model which `current` returns at that time; None without a validation part."""
        validate = self.validate
        return None if validate is None else lambda: validate(current())


class Recommender(ABC):
    """A trained model.

    `score` answers for every user by their features, also for users that training never saw. A user id may only select
    a vector that training learned for that user.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[ModelConfig]] = ModelConfig
    """The model's options and their defaults."""
    space: ClassVar[SearchSpace] = {}
    """Options that `recstack tune` may choose."""

    @classmethod
    @abstractmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Train on `data`.

        Args:
            data: the training part.
            context: seed, options, validation, what to call after an epoch, checkpoint.

        Raises:
            UserError: an option is unknown or of a wrong type, or the data have nothing to learn from.
        """

    def refit_options(self) -> dict[str, Any]:
        """Options with which a second fit, on more data and without validation, ends where this one was best."""
        return {}

    @abstractmethod
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """Score the whole catalogue.

        Args:
            users: B users; one that training never saw is scored by features only.
            allowed: [B, I] which items may be recommended to each.

        Returns:
            [B, I] scores, higher is better, -inf where not allowed.
        """

    def best(self, users: UserBatch, allowed: Mask, k: int) -> tuple[Ints, Floats]:
        """The k best items of each user. A model that finds them without scoring all items overrides this.

        Args:
            users: B users.
            allowed: [B, I] which items may be recommended to each.
            k: at least 1.

        Returns:
            [B, min(k, I)] positions, best first, ties by position, and their scores as `score` gives them; -inf where
            fewer items are allowed or have a finite score.
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
