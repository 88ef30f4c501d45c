"""Stacked auto-encoder: predicts all ratings of a user from some; trained by hiding a part of the known ones."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from scipy import sparse

from recstack.features.arrays import Floats
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.autoencoder.network import AutoencoderModule, Config, HiddenRatingsLoss
from recstack.models.base import Epoch, FitContext
from recstack.models.config import ModelConfig
from recstack.models.learning.biases import Biases, Ratings
from recstack.models.learning.checkpoint import SCORE
from recstack.models.learning.device import device
from recstack.models.learning.epoch_model import NetworkModel, read_config, read_weights
from recstack.models.learning.loop import fit_epochs
from recstack.models.rating_model import RatingModel
from recstack.models.training_data import TrainingData

HELD_OUT_SEED = 0
"""Decides which ratings are held back: the same for all seeds, so that their figures can be compared."""

USERS_AT_ONCE = 512


class Autoencoder(RatingModel, NetworkModel):
    """mu + b_u + b_i + the residual that the network predicts from the user's other residuals.

    The user-based rating auto-encoder of Sedhain et al., "AutoRec: Autoencoders meet collaborative filtering", WWW
    2015, which answers new users; any number of layers, and SELU, as in Kuchaiev and Ginsburg, "Training deep
    autoencoders for collaborative filtering", 2017. The loss is the squared error of rated items only, here of those
    that the input does not hold: so the network can't learn to copy its input. Beside the rating, the input holds that
    an item was rated at all, which is evidence too (Koren, "Factorization meets the neighborhood", KDD 2008).
    """

    name: ClassVar[str] = "autoencoder"
    config_class: ClassVar[type[ModelConfig]] = Config

    module: AutoencoderModule

    def __init__(self, biases: Biases, module: AutoencoderModule, best_epoch: int = 0) -> None:
        """Wrap a trained module."""
        super().__init__(biases)
        self.module = module.eval()
        self.config = module.config
        self.best_epoch = best_epoch

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Learn from all training ratings, also those of users that the training filter leaves out.

        When to stop is decided by the RMSE of some of the training ratings, held back; `validate` measures rankings.

        Raises:
            UserError: there is no rating to learn from, an option is wrong, or the checkpoint is of another model.
        """
        config = Config.read(context.options, cls.name)
        draws = np.random.default_rng(HELD_OUT_SEED).random(len(data.item))
        held_out = draws < (config.held_out if config.stop_after is None else 0.0)
        known = Ratings.of(data, ~held_out)
        biases = Biases.fit(known, config.user_shrinkage, config.item_shrinkage)
        residuals = biases.training_residuals(known)
        torch.manual_seed(context.seed)
        module = AutoencoderModule(config, data.items, biases.counts).to(device())
        model = cls(biases, module)

        def score() -> float:
            return -model.rmse(residuals, Ratings.of(data, held_out))

        def on_epoch(epoch: Epoch) -> None:
            metrics = dict(epoch.metrics)
            if SCORE in metrics:
                metrics["held_out_rmse"] = -metrics.pop(SCORE)
            context.on_epoch(Epoch(epoch.number, metrics))

        best_epoch = fit_epochs(
            module,
            torch.from_numpy(np.unique(known.user)).to(device()),
            HiddenRatingsLoss(module, residuals),
            config,
            replace(context, on_epoch=on_epoch),
            model=cls.name,
            validate=score if held_out.any() else None,
        )
        return cls(biases, module, best_epoch)

    def predict(self, users: UserBatch) -> Floats:
        """[B, I]; for a user without history what the network predicts from an empty input."""
        return self._predict(self.biases.residuals(users))

    def rmse(self, residuals: sparse.csr_array, held_out: Ratings) -> float:
        """Root mean squared error of predictions of `held_out`, from [U, I] residuals of the same users."""
        borders = np.searchsorted(held_out.user, np.arange(0, residuals.shape[0] + USERS_AT_ONCE, USERS_AT_ONCE))
        squares = 0.0
        for block, (start, end) in enumerate(pairwise(borders)):
            first = block * USERS_AT_ONCE
            predicted = self._predict(residuals[first : first + USERS_AT_ONCE]).clip(self.biases.low, self.biases.high)
            error = predicted[held_out.user[start:end] - first, held_out.item[start:end]] - held_out.value[start:end]
            squares += float((error.astype(np.float64) ** 2).sum())
        return float(np.sqrt(squares / len(held_out.value)))

    @torch.inference_mode()
    def _predict(self, residuals: sparse.csr_array) -> Floats:
        offsets = self.biases.of_users(residuals)
        counts = np.diff(residuals.indptr).astype(np.int64)
        device = self.module.content.device
        items, left, starts, number = (
            torch.from_numpy(each).to(device)
            for each in (
                residuals.indices.astype(np.int64),
                residuals.data - np.repeat(offsets, counts),
                residuals.indptr[:-1].astype(np.int64),
                counts,
            )
        )
        code = self.module(items, left, starts, number)
        vectors = self.module.vectors(torch.arange(len(self.biases.items), device=device))
        predicted: Floats = (code @ vectors.T).cpu().numpy()
        return self.biases.baseline(offsets) + predicted

    def save(self, folder: Path) -> None:
        """Write the offsets, `config.json` and `weights.pt` (a state dict)."""
        super().save(folder)
        self.biases.save(folder)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        config, best_epoch = read_config(folder, Config)
        biases = Biases.load(folder)
        module = AutoencoderModule(config, items, biases.counts)
        module.load_state_dict(read_weights(folder))
        return cls(biases, module.to(device()), best_epoch)
