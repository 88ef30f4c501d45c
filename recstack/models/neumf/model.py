"""NeuMF as published: a vector for each user. The neural reference for models that use only features."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.learning.device import device
from recstack.models.learning.epoch_model import NetworkModel, read_config, read_weights
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.negatives import OwnNegatives
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.neumf.network import Config, NeuMFModule
from recstack.models.training_data import TrainingData

PAIRS = 2**16
"""Users times items that are compared at once: what stays in a processor's cache."""

DRAWN = 2**18
"""Positives whose negatives are drawn at once, which bounds the memory of a draw."""


class NeuMF(NetworkModel):
    """Neural matrix factorisation (He et al., "Neural collaborative filtering", WWW 2017), without pre-training.

    A user of the training part has a vector of their own, whatever happened since. A new user gets one by a fold-in: a
    ridge regression, over the training users, from the mean item vector of a history to the user's vector.
    """

    name: ClassVar[str] = "neumf"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "factors": Between(4, 64, log=True),
        "negatives": Between(2, 16, log=True),
        "popularity_exponent": Between(0.0, 1.0),
        "learning_rate": Between(2e-4, 5e-3, log=True),
        "weight_decay": Between(1e-6, 1e-2, log=True),
    }

    module: NeuMFModule

    def __init__(self, module: NeuMFModule, user_ids: Ints, best_epoch: int = 0) -> None:
        """Wrap a trained module; `user_ids` [U] ascend and name the rows of its user embedding."""
        self.module = module.eval()
        self.config = module.config
        self.user_ids = user_ids
        self.best_epoch = best_epoch

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Binary cross-entropy of positives and sampled negatives, of all users.

        Raises:
            UserError: an option is wrong, or the checkpoint is of another model.
        """
        config = Config.read(context.options, cls.name)
        torch.manual_seed(context.seed)
        user_ids, user = np.unique(data.users.ids, return_inverse=True)
        module = NeuMFModule(config, len(user_ids), data.item_counts > 0).to(device())
        users, items = torch.from_numpy(user).to(device()), torch.from_numpy(data.item).to(device())
        order = users.argsort(stable=True)
        offsets = torch.searchsorted(users[order], torch.arange(len(user_ids) + 1, device=device()))
        model, rows = cls(module, user_ids), torch.arange(len(items), device=device())

        def current() -> Recommender:
            module.learn_fold_in(offsets, items[order])
            return model

        best_epoch = fit_epochs(
            module,
            rows,
            PairLoss(module, users, items),
            config,
            context,
            model=cls.name,
            validate=context.validation_of(current),
        )
        module.learn_fold_in(offsets, items[order])
        return cls(module, user_ids, best_epoch)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] logits. Equal users in a batch are computed once."""
        module = self.module
        vectors, owners = torch.unique(self._vectors(users), dim=0, return_inverse=True)
        catalogue, step = module.catalogue(), max(PAIRS // len(module.row), 1)
        scores = torch.cat(
            [module(module.project_users(some[:, None]), catalogue) for some in torch.split(vectors, step)]
        )
        found: Floats = scores.float()[owners].cpu().numpy()
        return np.where(allowed, found, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `config.json`, `user_ids.npy` and `weights.pt` (a state dict)."""
        super().save(folder)
        np.save(folder / "user_ids.npy", self.user_ids)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        config, best_epoch = read_config(folder, Config)
        user_ids = np.load(folder / "user_ids.npy")
        module = NeuMFModule(config, len(user_ids), np.ones(len(items), dtype=bool))
        module.load_state_dict(read_weights(folder))
        return cls(module.to(device()), user_ids, best_epoch)

    def _vectors(self, users: UserBatch) -> Tensor:
        """[B, D] the user's own vector, or the fold-in's for users that training never saw."""
        module, device = self.module, self.module.row.device
        found = np.searchsorted(self.user_ids, users.ids).clip(max=len(self.user_ids) - 1)
        known = torch.from_numpy((users.ids >= 0) & (self.user_ids[found] == users.ids)).to(device)
        folded = module.new_users(*(torch.from_numpy(array).to(device) for array in (users.seen_offsets, users.seen)))
        return torch.where(known[:, None], module.user(torch.from_numpy(found).to(device)), folded)


class PairLoss:
    """Binary cross-entropy of each positive and its own negatives (equation 7 of the paper), drawn once an epoch."""

    def __init__(self, module: NeuMFModule, user: Tensor, item: Tensor) -> None:
        """Index the positives: [N] rows of the user embedding, [N] items."""
        self.module = module
        self.user, self.item = user, item
        self.negatives = OwnNegatives(user, item, len(module.row), module.config.popularity_exponent)

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`."""
        if batch.number == 0:
            self.draw(batch.draws)
        users, items, fit = self.gather(batch.rows[batch.share])
        logits = self.module.pairs(users, items).float()
        # The logistic loss of a positive is softplus(-logit), that of a negative softplus(logit).
        negative = (F.softplus(logits[:, 1:]) * fit).sum()
        loss: Tensor = (F.softplus(-logits[:, 0]).sum() + negative) / len(batch.rows)
        return loss

    def draw(self, draws: torch.Generator) -> None:
        """Draw the negatives of each positive for this epoch; one draw a batch would take several times longer."""
        drawn = [
            self.negatives.draw(users, self.module.config.negatives, draws) for users in torch.split(self.user, DRAWN)
        ]
        items, fit = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        self.items, self.fit = torch.cat([self.item[:, None], items], 1), fit

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B] users, [B, 1 + negatives] the positive and its negatives, and [B, negatives] which of these count."""
        return self.user[rows], self.items[rows], self.fit[rows]
