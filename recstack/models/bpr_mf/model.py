"""BPR-MF: matrix factorisation that learns to put what was chosen above what was not."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from recstack.errors import UserError
from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.history import faded
from recstack.models.learning.loop import Batch, Schedule, device, fit_epochs
from recstack.models.learning.negatives import OwnNegatives
from recstack.models.learning.search_space import Between, SearchSpace


@dataclass(frozen=True)
class Config:
    """Defaults were chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    dimension: int = 64
    negatives: int = 4
    """Items drawn against each positive."""
    popularity_exponent: float = 0.5
    """Negatives are drawn in proportion to popularity to this power; 0 is the paper's uniform draw."""
    fading: float = 0.8
    """The r-th newest item of a history weighs r ^ -fading when a user is folded in."""
    fold_in: float = 0.1
    """Ridge penalty of the map from histories to user vectors, in mean squares of the histories' entries."""
    batch_size: int = 1024
    epochs: int = 16
    stop_after: int | None = None
    """End after this epoch; `refit_options` sets it to the best one."""
    patience: int = 4
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2


class BprMf(Recommender):
    """Score p · q + b of a user vector p, item vectors q and item biases b.

    They minimise the mean of -ln sigmoid(score of a chosen item - score of another) (Rendle et al., "BPR: Bayesian
    personalized ranking from implicit feedback", UAI 2009).

    Everybody is folded in from the live history, users of the training part too: the (faded) mean of the item vectors
    of the history is mapped to p by the ridge regression that fits the training users best. Without history p is zero,
    and the biases decide, which order items by popularity.
    """

    name: ClassVar[str] = "bpr_mf"
    space: ClassVar[SearchSpace] = {
        "dimension": Between(16, 128, log=True),
        "popularity_exponent": Between(0.0, 1.0),
        "fading": Between(0.0, 1.5),
        "learning_rate": Between(1e-3, 2e-2, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    def __init__(self, vectors: Floats, biases: Floats, taste: Floats, config: Config, best_epoch: int = 0) -> None:
        """Keep [I, d] item vectors, [I] biases, and the [d + 1, d] map from a history's mean and 1 to p."""
        self.vectors = vectors
        self.biases = biases
        self.taste = taste
        self.config = config
        self.best_epoch = best_epoch

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
        """Learn from all training interactions, also of users whom the training filter leaves out.

        In data without time there is no newest item, and nothing fades.

        Raises:
            UserError: there is no interaction, or the checkpoint is of another model.
        """
        config = Config(**(options or {}))
        if not len(data.item):
            raise UserError("there is nothing for bpr_mf to learn from: the training part is empty")
        if (data.timestamp == data.timestamp[:1]).all():
            config = replace(config, fading=0.0)
        place = device()
        torch.manual_seed(seed)
        shape = (int(data.user.max()) + 1, len(data.items))
        module = BprModule(*shape, config.dimension).to(place)
        chosen = sparse.csr_array((np.ones(len(data.item), dtype=np.float32), (data.user, data.item)), shape=shape)
        fitted = fit_epochs(
            module,
            torch.arange(len(data.item), device=place),
            PairwiseLoss(module, data, config, place),
            Schedule(
                config.epochs,
                config.stop_after,
                config.patience,
                config.batch_size,
                config.learning_rate,
                config.weight_decay,
            ),
            seed=seed,
            validate=None if validate is None else lambda: validate(cls._now(module, chosen, config)),
            report=report,
            checkpoint=checkpoint,
        )
        return cls._now(module, chosen, config, fitted.best_epoch)

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.config), "stop_after": self.best_epoch}

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I], -inf where not allowed."""
        history = faded(users, len(self.vectors), self.config.fading)
        known = (np.diff(history.indptr) > 0)[:, None]
        folded = np.where(known, _mean(history, self.vectors) @ self.taste, np.float32(0.0))
        return np.where(allowed, folded @ self.vectors.T + self.biases, np.float32(-np.inf))

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; their cosine is the model's idea of similar items."""
        return self.vectors

    def save(self, folder: Path) -> None:
        """Write `vectors.npy`, `biases.npy`, `taste.npy` and `config.json`."""
        for name in ("vectors", "biases", "taste"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        facts = {"config": asdict(self.config), "best_epoch": self.best_epoch}
        (folder / "config.json").write_text(json.dumps(facts, indent=2))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        vectors, biases, taste = (np.load(folder / f"{name}.npy") for name in ("vectors", "biases", "taste"))
        facts = json.loads((folder / "config.json").read_text())
        return cls(vectors, biases, taste, Config(**facts["config"]), facts["best_epoch"])

    @classmethod
    def _now(cls, module: "BprModule", chosen: sparse.csr_array, config: Config, best_epoch: int = 0) -> Self:
        """The model that the module is at this moment, with the map that fits its users and what they have chosen."""
        learned = (module.user.weight, module.item.weight, module.bias)
        users, vectors, biases = (weights.detach().cpu().numpy().copy() for weights in learned)
        return cls(vectors, biases, _taste(_mean(chosen, vectors), users, config.fold_in), config, best_epoch)


class BprModule(nn.Module):
    """What is learned: user vectors, item vectors and item biases."""

    def __init__(self, n_users: int, n_items: int, dimension: int) -> None:
        """Small random vectors, no biases."""
        super().__init__()
        self.user = nn.Embedding(n_users, dimension)
        self.item = nn.Embedding(n_items, dimension)
        self.bias = nn.Parameter(torch.zeros(n_items))
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """[B, K] scores of [B, K] items for [B] users."""
        # Gradients of `index_select` are summed faster on a CPU than those of an embedding or an index.
        flat = items.flatten()
        vectors = self.item.weight.index_select(0, flat).view(*items.shape, self.item.embedding_dim)
        products = (self.user.weight.index_select(0, users)[:, None] * vectors).sum(-1)
        scores: Tensor = products + self.bias.index_select(0, flat).view(items.shape)
        return scores


class PairwiseLoss:
    """-ln sigmoid of the distance between each positive and the negatives of its own."""

    def __init__(self, module: BprModule, data: TrainingData, config: Config, place: torch.device) -> None:
        """Move the training rows to where the module is, once."""
        self.module = module
        self.negatives = config.negatives
        self.user, self.item = torch.from_numpy(data.user).to(place), torch.from_numpy(data.item).to(place)
        self.sampler = OwnNegatives(self.user, self.item, len(data.items), config.popularity_exponent)

    def __call__(self, batch: Batch) -> Tensor:
        """See `fit_epochs`; a drawn item that the user did choose counts nothing."""
        negatives, negative = self.sampler.draw(self.user[batch.rows], self.negatives, batch.draws)
        rows = batch.rows[batch.share]
        scores = self.module(self.user[rows], torch.cat([self.item[rows][:, None], negatives[batch.share]], 1))
        losses = F.softplus(scores[:, 1:] - scores[:, :1]) * negative[batch.share]
        return losses.sum() / (len(batch.rows) * self.negatives)


def _mean(history: sparse.csr_array, vectors: Floats) -> Floats:
    """[B, d + 1] weighted mean of each history's item vectors, and a 1."""
    weights = np.asarray(history.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    mean = (history @ vectors) / np.maximum(weights, np.finfo(np.float32).tiny)
    return np.append(mean, np.ones_like(weights), axis=1)


def _taste(histories: Floats, users: Floats, penalty: float) -> Floats:
    """[d + 1, d] ridge regression of the [U, d] user vectors on their [U, d + 1] histories."""
    inputs = histories.astype(np.float64)
    left = inputs.T @ inputs
    left += penalty * np.trace(left) / len(left) * np.eye(len(left))
    found: Floats = np.linalg.solve(left, inputs.T @ users).astype(np.float32)
    return found
