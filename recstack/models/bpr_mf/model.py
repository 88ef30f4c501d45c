"""BPR-MF: matrix factorisation that learns to rank chosen items above others."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext
from recstack.models.bpr_mf.network import BprModule, history_means, ridge_regression
from recstack.models.config import ModelConfig
from recstack.models.learning.device import device
from recstack.models.learning.epoch_model import EpochModel, read_config
from recstack.models.learning.history import power_weights
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.negatives import OwnNegatives
from recstack.models.learning.schedule import Schedule
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.training_data import TrainingData

ARRAYS = ("vectors", "biases", "to_user")


class Config(Schedule):
    """Defaults were chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    dimension: int = 64
    negatives: int = 4
    """Items drawn against each positive."""
    popularity_exponent: float = 0.5
    """Negatives are drawn in proportion to popularity to this power; 0 is the paper's uniform draw."""
    recency_power: float = 0.8
    """The r-th newest item of a history weighs r ^ -recency_power when a user is folded in."""
    fold_in: float = 0.1
    """Ridge penalty of the map from histories to user vectors, in mean squares of the histories' entries."""
    batch_size: int = 1024
    epochs: int = 16
    patience: int | None = 4
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2


class BprMf(EpochModel):
    """Score p · q + b of a user vector p, item vectors q and item biases b.

    They minimise the mean of -ln sigmoid(score of a chosen item - score of another) (Rendle et al., "BPR: Bayesian
    personalized ranking from implicit feedback", UAI 2009).

    Every user is folded in from the live history, users of the training part too: the weighted mean of the history's
    item vectors is mapped to p by the ridge regression that fits the training users best. Without history p is zero,
    and the biases decide, which order items by popularity.
    """

    name: ClassVar[str] = "bpr_mf"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "dimension": Between(16, 128, log=True),
        "popularity_exponent": Between(0.0, 1.0),
        "recency_power": Between(0.0, 1.5),
        "learning_rate": Between(1e-3, 2e-2, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    config: Config

    def __init__(self, vectors: Floats, biases: Floats, to_user: Floats, config: Config, best_epoch: int = 0) -> None:
        """Keep [I, d] item vectors, [I] biases, and the [d + 1, d] map from a history's mean and 1 to p."""
        self.vectors = vectors
        self.biases = biases
        self.to_user = to_user
        self.config = config
        self.best_epoch = best_epoch

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Learn from all training interactions, also those of users that the training filter leaves out.

        In data without time there is no newest item, and all items of a history weigh the same.

        Raises:
            UserError: there is no interaction, an option is wrong, or the checkpoint is of another model.
        """
        config = Config.read(context.options, cls.name)
        data.require_rows(cls.name)
        if not data.has_time:
            config = config.model_copy(update={"recency_power": 0.0})
        torch.manual_seed(context.seed)
        module = BprModule(data.n_users, len(data.items), config.dimension).to(device())
        chosen = data.by_user()
        best_epoch = fit_epochs(
            module,
            torch.arange(len(data.item), device=device()),
            PairwiseLoss(module, data, config),
            config,
            context,
            model=cls.name,
            validate=context.validation_of(lambda: cls.of(module, chosen, config)),
        )
        return cls.of(module, chosen, config, best_epoch)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I], -inf where not allowed."""
        history = power_weights(users, len(self.vectors), self.config.recency_power)
        known = (np.diff(history.indptr) > 0)[:, None]
        folded = np.where(known, history_means(history, self.vectors) @ self.to_user, np.float32(0.0))
        return np.where(allowed, folded @ self.vectors.T + self.biases, np.float32(-np.inf))

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; items with a high cosine are similar to the model."""
        return self.vectors

    def save(self, folder: Path) -> None:
        """Write `vectors.npy`, `biases.npy`, `to_user.npy` and `config.json`."""
        super().save(folder)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        config, best_epoch = read_config(folder, Config)
        vectors, biases, to_user = (np.load(folder / f"{name}.npy") for name in ARRAYS)
        return cls(vectors, biases, to_user, config, best_epoch)

    @classmethod
    def of(cls, module: BprModule, chosen: sparse.csr_array, config: Config, best_epoch: int = 0) -> Self:
        """The model of a module as it is now, with the map from the [U, I] chosen items to its user vectors."""
        learned = (module.user.weight, module.item.weight, module.bias)
        users, vectors, biases = (weights.detach().cpu().numpy().copy() for weights in learned)
        to_user = ridge_regression(history_means(chosen, vectors), users, config.fold_in)
        return cls(vectors, biases, to_user, config, best_epoch)


class PairwiseLoss:
    """-ln sigmoid of the distance between each positive and its own negatives."""

    def __init__(self, module: BprModule, data: TrainingData, config: Config) -> None:
        """Move the training rows to the module's device, once."""
        self.module = module
        self.negatives = config.negatives
        self.user, self.item = (torch.from_numpy(rows).to(module.bias.device) for rows in (data.user, data.item))
        self.sampler = OwnNegatives(self.user, self.item, len(data.items), config.popularity_exponent)

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`; a drawn item that the user did choose counts nothing."""
        negatives, negative = self.sampler.draw(self.user[batch.rows], self.negatives, batch.draws)
        rows = batch.rows[batch.share]
        scores = self.module(self.user[rows], torch.cat([self.item[rows][:, None], negatives[batch.share]], 1))
        losses = F.softplus(scores[:, 1:] - scores[:, :1]) * negative[batch.share]
        return losses.sum() / (len(batch.rows) * self.negatives)
