"""Stacked auto-encoder: from some ratings of a user to all of them, trained by hiding a part of what is known."""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy import sparse

from recstack.features.arrays import Floats
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.autoencoder.network import AutoencoderModule, Config, HiddenRatingsLoss
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.biases import Biases, Ratings
from recstack.models.learning.loop import SCORE, Schedule, device, fit_epochs
from recstack.models.learning.rating_model import RatingModel

HELD_OUT_SEED = 0
"""Of the ratings that are held back: the same for all seeds, so that their figures can be compared."""

USERS_AT_ONCE = 512


class Autoencoder(RatingModel):
    """mu + b_u + b_i + what the network makes of the user's residuals.

    The user-based rating auto-encoder of Sedhain et al., "AutoRec: Autoencoders meet collaborative filtering", WWW
    2015, so that strangers are answered; any number of layers, and SELU, as in Kuchaiev and Ginsburg, "Training deep
    autoencoders for collaborative filtering", 2017. The loss is the squared error of rated items alone, here of those
    that the input does not hold: a network that has to say what it is not shown can't learn to copy. Beside its rating
    each item tells that it was rated, which says something too (Koren, "Factorization meets the neighborhood", KDD
    2008).
    """

    name: ClassVar[str] = "autoencoder"

    def __init__(self, biases: Biases, module: AutoencoderModule, config: Config, best_epoch: int = 0) -> None:
        """Wrap a trained module."""
        super().__init__(biases)
        self.module = module.eval()
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
        """Learn from all training ratings, also those of users whom the training filter leaves out.

        When to stop is decided by the RMSE of some of the training ratings, held back; `validate` measures rankings.

        Raises:
            UserError: there is no rating to learn from, or the checkpoint is of another model.
        """
        config = Config(**(options or {}))
        draws = np.random.default_rng(HELD_OUT_SEED).random(len(data.item))
        held_out = draws < (config.held_out if config.stop_after is None else 0.0)
        known = Ratings.of(data, ~held_out)
        biases = Biases.fit(known, config.user_shrinkage, config.item_shrinkage)
        residuals = biases.training_residuals(known)
        torch.manual_seed(seed)
        module = AutoencoderModule(config, data.items, biases.counts).to(device())
        model = cls(biases, module, config)

        def score() -> float:
            return -model.rmse(residuals, Ratings.of(data, held_out))

        def tell(progress: Progress) -> None:
            if report is not None:
                metrics = dict(progress.metrics)
                if SCORE in metrics:
                    metrics["held_out_rmse"] = -metrics.pop(SCORE)
                report(Progress(progress.epoch, metrics))

        fitted = fit_epochs(
            module,
            torch.from_numpy(np.unique(known.user)).to(device()),
            HiddenRatingsLoss(module, residuals, device()),
            Schedule(
                config.epochs,
                config.stop_after,
                config.patience,
                config.batch_size,
                config.learning_rate,
                config.weight_decay,
            ),
            seed=seed,
            validate=score if held_out.any() else None,
            report=tell,
            checkpoint=checkpoint,
        )
        return cls(biases, module, config, fitted.best_epoch)

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.config), "stop_after": self.best_epoch}

    def predict(self, users: UserBatch) -> Floats:
        """[B, I]; of a stranger without history what the network says to nothing."""
        return self._answer(self.biases.residuals(users))

    def rmse(self, residuals: sparse.csr_array, asked: Ratings) -> float:
        """Of predictions of `asked`, from [U, I] residuals of the same users."""
        borders = np.searchsorted(asked.user, np.arange(0, residuals.shape[0] + USERS_AT_ONCE, USERS_AT_ONCE))
        squares = 0.0
        for block, (start, end) in enumerate(pairwise(borders)):
            first = block * USERS_AT_ONCE
            said = self._answer(residuals[first : first + USERS_AT_ONCE]).clip(self.biases.low, self.biases.high)
            error = said[asked.user[start:end] - first, asked.item[start:end]] - asked.value[start:end]
            squares += float((error.astype(np.float64) ** 2).sum())
        return float(np.sqrt(squares / len(asked.value)))

    @torch.inference_mode()
    def _answer(self, residuals: sparse.csr_array) -> Floats:
        offsets = self.biases.of_users(residuals)
        counts = np.diff(residuals.indptr).astype(np.int64)
        place = self.module.content.device
        items, left, starts, number = (
            torch.from_numpy(each).to(place)
            for each in (
                residuals.indices.astype(np.int64),
                residuals.data - np.repeat(offsets, counts),
                residuals.indptr[:-1].astype(np.int64),
                counts,
            )
        )
        code = self.module(items, left, starts, number)
        said: Floats = (code @ self.module.vectors(torch.arange(len(self.biases.items), device=place)).T).cpu().numpy()
        return self.biases.baseline(offsets) + said

    def save(self, folder: Path) -> None:
        """Write the offsets, `config.json` and `weights.pt` (a state dict)."""
        self.biases.save(folder)
        facts = {"config": asdict(self.config), "best_epoch": self.best_epoch}
        (folder / "config.json").write_text(json.dumps(facts, indent=2))
        torch.save(self.module.state_dict(), folder / "weights.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        facts = json.loads((folder / "config.json").read_text())
        config = Config(**facts["config"])
        biases = Biases.load(folder)
        module = AutoencoderModule(config, items, biases.counts)
        module.load_state_dict(torch.load(folder / "weights.pt", weights_only=True, map_location="cpu"))
        return cls(biases, module.to(device()), config, facts["best_epoch"])
