"""Genre-aware two-tower retrieval: the score is one dot product, so an index can search millions of items."""

from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.learning.row_inputs import RowInputs
from recstack.models.learning.search_space import Between, OneOf, SearchSpace
from recstack.models.learning.tower_model import TowerModel
from recstack.models.learning.towers import TowerConfig, Towers
from recstack.models.training_data import TrainingData


class Config(TowerConfig):
    """Sizes and schedule are those of `genre_ncf`; the kind of negatives was not searched.

    On the validation part of MovieLens-100K, global time, it gave NDCG@10 0.124.
    """

    negatives: Literal["in-batch", "sampled"] = "in-batch"
    """`in-batch`: the positives of the batch's other rows; `sampled`: a draw that all rows of the batch share."""
    draws: int = 4
    """Sampled negatives: draws a positive."""


class TwoTower(TowerModel):
    """The towers of `genre_ncf` without its ranker: score = user vector . item vector + item offset.

    Covington et al., "Deep neural networks for YouTube recommendations" (RecSys 2016), with the negatives of Yi et al.,
    "Sampling-bias-corrected neural modeling for large corpus item recommendations" (RecSys 2019).
    """

    name: ClassVar[str] = "two_tower"
    network: ClassVar[type[Towers]] = Towers
    config_class: ClassVar[type[TowerConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "negatives": OneOf(("in-batch", "sampled")),
        "dropout": Between(0.1, 0.5),
        "recent": Between(5, 50, log=True),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    @classmethod
    def loss(cls, module: Towers, data: TrainingData, rows: Ints) -> "RetrievalLoss":
        """Softmax over the row's positive and the batch's negatives."""
        return RetrievalLoss(module, data, rows)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; an item that training never saw is scored by its content, a new user by the features."""
        vectors, offset = self.catalogue()
        scores: Floats = torch.addmm(offset, self.module.encode(users), vectors.T).float().cpu().numpy()
        return np.where(allowed, scores, np.float32(-np.inf))


class RetrievalLoss:
    """Softmax cross-entropy of each row's positive among the batch's negatives, corrected for how these were found.

    A known positive of the row's user is never among the negatives.
    """

    def __init__(self, module: Towers, data: TrainingData, rows: Ints) -> None:
        """Move the training rows to the module's device, once."""
        assert isinstance(module.config, Config)
        self.module = module
        self.config = module.config
        device = module.content.device
        inputs = RowInputs.of(data.users, rows, self.config.recent)
        self.features = [torch.from_numpy(array).to(device) for array in inputs]
        self.user, self.item, self.snapshot, self.popularity = (
            torch.from_numpy(array).to(device)
            for array in (data.user[rows], data.item[rows], data.snapshot[rows], data.popularity)
        )
        user, item = (torch.from_numpy(array).to(device) for array in (data.user, data.item))
        self.sampler = NegativeSampler(user, item, len(data.items), self.config.popularity_exponent)
        counts = torch.bincount(self.item, minlength=len(data.items))
        self.log_share = (counts / counts.sum()).log()

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`."""
        module, rows = self.module, batch.rows[batch.share]
        positives, snapshot = self.item[rows], self.snapshot[rows]
        candidates = self._others if self.config.negatives == "in-batch" else self._drawn
        negatives, own_correction, correction = candidates(batch, positives)
        user = module.users(*(feature.index_select(0, rows) for feature in self.features))
        vectors, bias = module.items(negatives)
        own_vectors, own_bias = module.items(positives)
        trend = self.popularity[snapshot, positives] @ module.popularity_weight
        right = (user * own_vectors).sum(1) + own_bias + trend - own_correction
        present, which = torch.unique(snapshot, return_inverse=True)
        trends = self.popularity[present[:, None], negatives] @ module.popularity_weight
        wrong = torch.addmm(F.embedding(which, trends + bias - correction), user, vectors.T)
        with torch.no_grad():  # their softmax is 0, and so is their gradient
            wrong[self.sampler.known(self.user[rows], negatives)] = -torch.inf
        logits = torch.cat([right[:, None], wrong], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum") / len(batch.rows)

    def _others(self, batch: TrainingBatch, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The positives of the whole batch; log Q of the rows' own positives; log Q of the batch's.

        An item is in the batch with probability Q, its share of the interactions, so that popular items are negatives
        too often; s - log Q corrects that, for the positive as well (Yi et al., section 4). An item that occurs n times
        counts n times: one column with log Q - log n is the same sum as n columns.
        """
        items, times = torch.unique(self.item[batch.rows], return_counts=True)
        return items, self.log_share[positives], self.log_share[items] - times.log()

    def _drawn(self, batch: TrainingBatch, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A shared sample; see `NegativeSampler`. The positive is always there: nothing to correct."""
        items, log_inclusion = self.sampler.draw(self.config.draws * len(batch.rows), batch.draws)
        return items, torch.zeros_like(positives, dtype=torch.float32), log_inclusion
