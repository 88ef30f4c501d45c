"""NeuMF as its paper has it: a vector for each user. The neural reference that models without user ids have to beat."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.loop import Batch, device, fit_epochs
from recstack.models.learning.negatives import OwnNegatives
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.neumf.network import Config, NeuMFModule

PAIRS = 2**16
"""Users times items that are compared at once: what stays in a processor's cache."""

DRAWN = 2**18
"""Positives whose negatives are drawn at once, which bounds the memory of a draw."""


class NeuMF(Recommender):
    """Neural matrix factorisation (He et al., "Neural collaborative filtering", WWW 2017), without pre-training.

    A user of the training part has a vector of their own, whatever happened since. A stranger gets one by a fold-in: a
    ridge regression, over the training users, from the mean item vector of a history to the user's vector.
    """

    name: ClassVar[str] = "neumf"
    space: ClassVar[SearchSpace] = {
        "factors": Between(4, 64, log=True),
        "negatives": Between(2, 16, log=True),
        "popularity_exponent": Between(0.0, 1.0),
        "learning_rate": Between(2e-4, 5e-3, log=True),
        "weight_decay": Between(1e-6, 1e-2, log=True),
    }

    def __init__(self, module: NeuMFModule, user_ids: Ints, best_epoch: int = 0) -> None:
        """Wrap a trained module; `user_ids` [U] ascend and name the rows of its user embedding."""
        self.module = module.eval()
        self.user_ids = user_ids
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
        """Binary cross-entropy of positives and sampled negatives, of all users; see `Recommender.fit` and `Config`.

        Raises:
            UserError: the checkpoint is of another model.
        """
        config = Config(**(options or {}))
        torch.manual_seed(seed)
        user_ids, user = np.unique(data.users.ids, return_inverse=True)
        module = NeuMFModule(config, len(user_ids), np.bincount(data.item, minlength=len(data.items)) > 0)
        place = device()
        module.to(place)
        users, items = torch.from_numpy(user).to(place), torch.from_numpy(data.item).to(place)
        order = users.argsort(stable=True)
        offsets = torch.searchsorted(users[order], torch.arange(len(user_ids) + 1, device=place))
        model = cls(module, user_ids)

        def score() -> float:
            module.learn_fold_in(offsets, items[order])
            return validate(model) if validate is not None else 0.0

        fitted = fit_epochs(
            module,
            torch.arange(len(items), device=place),
            PairLoss(module, users, items),
            config,
            seed=seed,
            validate=score if validate is not None else None,
            report=report,
            checkpoint=checkpoint,
        )
        module.learn_fold_in(offsets, items[order])
        return cls(module, user_ids, fitted.best_epoch)

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.module.config), "stop_after": self.best_epoch}

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] logits. Somebody who is asked about more than once costs as much as once."""
        module = self.module
        vectors, asked = torch.unique(self._vectors(users), dim=0, return_inverse=True)
        catalogue, step = module.catalogue(), max(PAIRS // len(module.row), 1)
        scores = torch.cat(
            [module(module.project_users(some[:, None]), catalogue) for some in torch.split(vectors, step)]
        )
        found: Floats = scores.float()[asked].cpu().numpy()
        return np.where(allowed, found, np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        """Write `config.json`, `user_ids.npy` and `weights.pt` (a state dict)."""
        facts = {"config": asdict(self.module.config), "best_epoch": self.best_epoch}
        (folder / "config.json").write_text(json.dumps(facts, indent=2))
        np.save(folder / "user_ids.npy", self.user_ids)
        torch.save(self.module.state_dict(), folder / "weights.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        facts = json.loads((folder / "config.json").read_text())
        user_ids = np.load(folder / "user_ids.npy")
        module = NeuMFModule(Config(**facts["config"]), len(user_ids), np.ones(len(items), dtype=bool))
        module.load_state_dict(torch.load(folder / "weights.pt", weights_only=True, map_location="cpu"))
        return cls(module.to(device()), user_ids, facts["best_epoch"])

    def _vectors(self, users: UserBatch) -> Tensor:
        """[B, D] the user's own vector, or the fold-in's for whom training never saw."""
        module, place = self.module, self.module.row.device
        found = np.searchsorted(self.user_ids, users.ids).clip(max=len(self.user_ids) - 1)
        known = torch.from_numpy((users.ids >= 0) & (self.user_ids[found] == users.ids)).to(place)
        folded = module.strangers(*(torch.from_numpy(array).to(place) for array in (users.seen_offsets, users.seen)))
        return torch.where(known[:, None], module.user(torch.from_numpy(found).to(place)), folded)


class PairLoss:
    """Binary cross-entropy of each positive and its own negatives (equation 7 of the paper), drawn once an epoch."""

    def __init__(self, module: NeuMFModule, user: Tensor, item: Tensor) -> None:
        """Index the positives: [N] rows of the user embedding, [N] items."""
        self.module = module
        self.user, self.item = user, item
        self.negatives = OwnNegatives(user, item, len(module.row), module.config.popularity_exponent)

    def __call__(self, batch: Batch) -> Tensor:
        """See `fit_epochs`."""
        if batch.number == 0:
            self.draw(batch.draws)
        users, items, fit = self.gather(batch.rows[batch.share])
        logits = self.module.pairs(users, items).float()
        # The logistic loss of label 1 is softplus(-logit), that of label 0 softplus(logit).
        negative = (F.softplus(logits[:, 1:]) * fit).sum()
        loss: Tensor = (F.softplus(-logits[:, 0]).sum() + negative) / len(batch.rows)
        return loss

    def draw(self, draws: torch.Generator) -> None:
        """Choose what stands against each positive in this epoch; a draw a batch would take several times longer."""
        drawn = [
            self.negatives.draw(users, self.module.config.negatives, draws) for users in torch.split(self.user, DRAWN)
        ]
        items, fit = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        self.items, self.fit = torch.cat([self.item[:, None], items], 1), fit

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B] users, [B, 1 + negatives] the positive and its negatives, and [B, negatives] which of these count."""
        return self.user[rows], self.items[rows], self.fit[rows]
