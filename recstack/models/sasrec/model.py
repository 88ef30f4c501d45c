"""Sequential recommender: what comes next after the items of a history, in the order in which they were chosen."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext
from recstack.models.config import ModelConfig
from recstack.models.learning.device import device
from recstack.models.learning.epoch_model import NetworkModel, read_config, read_weights
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.windows import Windows, known_first, windows
from recstack.models.sasrec.network import Config, SASRecModule
from recstack.models.training_data import TrainingData


class SASRec(NetworkModel):
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018) with a softmax over many negatives.

    One negative a positive, as in the paper, makes the model overconfident; with cross-entropy over many it is the
    strongest of its kind (Klenitskiy and Vasilev, "Turning dross into gold loss", RecSys 2023).
    """

    name: ClassVar[str] = "sasrec"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "blocks": Between(1, 3),
        "dropout": Between(0.1, 0.5),
        "popularity_exponent": Between(0.0, 1.0),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    module: SASRecModule

    def __init__(self, module: SASRecModule, best_epoch: int = 0) -> None:
        """Wrap a trained module."""
        self.module = module.eval()
        self.config = module.config
        self.best_epoch = best_epoch

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Softmax over the batch's shared negatives, on the rows of users that the training filter admits.

        Raises:
            UserError: no row is eligible, an option is wrong, or the checkpoint is of another model.
        """
        rows = data.eligible_rows(cls.name)
        config = Config.read(context.options, cls.name)
        torch.manual_seed(context.seed)
        counts = data.item_counts
        module = SASRecModule(config, data.items, counts)
        cut = windows(data, rows, counts > 0, module.length, np.random.default_rng(context.seed))
        module.to(device())
        model = cls(module)
        best_epoch = fit_epochs(
            module,
            torch.arange(len(cut), device=device()),
            NextItemLoss(module, data, cut),
            config,
            context,
            model=cls.name,
            validate=context.validation_of(lambda: model),
        )
        return cls(module, best_epoch)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; items that training never saw are ranked by popularity, and skipped in histories."""
        module = self.module
        device = module.popularity.device
        trained = module.trained.cpu().numpy()
        recent, ratings = known_first(users.recent, users.recent_ratings, trained, module.length)
        lengths = (recent >= 0).sum(axis=1)
        order = (lengths[:, None] - 1 - np.arange(recent.shape[1])) % recent.shape[1]  # oldest first, then the padding
        items, values = (
            torch.from_numpy(np.take_along_axis(array, order, axis=1)).to(device) for array in (recent, ratings)
        )
        states = module(items, values)[torch.arange(len(users)), torch.from_numpy(lengths)]
        scores: Floats = torch.addmm(module.offset(), states, module.item_embedding.weight.T).float().cpu().numpy()
        return np.where(allowed, scores, np.float32(-np.inf))

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; items with a high cosine are similar to the model."""
        vectors: Floats = self.module.item_embedding.weight.detach().float().cpu().numpy()
        return vectors

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote. Popularity comes from `items`, as it is known now."""
        config, best_epoch = read_config(folder, Config)
        weights = read_weights(folder)
        module = SASRecModule(config, items, weights["trained"].numpy().astype(np.int64))
        module.load_state_dict({**weights, "popularity": module.popularity})
        return cls(module.to(device()), best_epoch)


class NextItemLoss:
    """Sampled softmax of the item that followed each history, all rows of a window in one pass."""

    def __init__(self, module: SASRecModule, data: TrainingData, cut: Windows) -> None:
        """Move windows and training rows to the module's device, once."""
        self.module = module
        device = module.popularity.device
        self.items, self.ratings, self.offsets, self.rows, self.lengths = (
            torch.from_numpy(array).to(device) for array in (cut.items, cut.ratings, cut.offsets, cut.rows, cut.lengths)
        )
        self.user, self.item, self.snapshot, self.popularity = (
            torch.from_numpy(array).to(device) for array in (data.user, data.item, data.snapshot, data.popularity)
        )
        self.sampler = NegativeSampler(self.user, self.item, len(data.items), module.config.popularity_exponent)

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`; its rows are windows here."""
        module = self.module
        total = (self.offsets[batch.rows + 1] - self.offsets[batch.rows]).sum()
        negatives, log_inclusion = self.sampler.draw(module.config.negatives, batch.draws)
        cut = batch.rows[batch.share]
        first = self.offsets[cut]
        sizes = self.offsets[cut + 1] - first
        window = torch.repeat_interleave(sizes)
        member = torch.arange(len(window), device=cut.device) + (first - sizes.cumsum(0) + sizes)[window]
        rows = self.rows[member]
        positives, snapshot = self.item[rows], self.snapshot[rows]
        state = module(self.items[cut], self.ratings[cut])[window, self.lengths[member]]

        embedding, bias, weight = module.item_embedding, module.item_bias, module.popularity_weight
        right = (state * embedding(positives)).sum(1) + bias[positives] + self.popularity[snapshot, positives] @ weight
        present, which = torch.unique(snapshot, return_inverse=True)
        trend = self.popularity[present[:, None], negatives] @ weight
        wrong = torch.addmm(F.embedding(which, trend + bias[negatives] - log_inclusion), state, embedding(negatives).T)
        known = torch.zeros(len(cut), len(negatives), dtype=torch.bool, device=cut.device)
        known[self.sampler.known(self.user[self.rows[first]], negatives)] = True
        logits = torch.cat([right[:, None], wrong.masked_fill(known[window], -torch.inf)], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum") / total
