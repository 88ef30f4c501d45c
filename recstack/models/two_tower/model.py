"""Genre-aware two-tower retrieval: one dot product finds candidates among millions of items, for strangers too."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.errors import choose
from recstack.features.arrays import Floats, Mask
from recstack.features.encode import UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.loop import Batch, Schedule, device, eligible_rows, fit_epochs
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.learning.search_space import Between, OneOf, SearchSpace
from recstack.models.learning.tower_model import TowerModel
from recstack.models.learning.towers import TowerConfig, Towers

IN_BATCH, SAMPLED = "in-batch", "sampled"


@dataclass(frozen=True)
class Config(TowerConfig, Schedule):
    """Sizes and speed are those of `genre_ncf`; the kind of negatives was not searched.

    On the validation part of MovieLens-100K, global time, it gave NDCG@10 0.124.
    """

    negatives: str = IN_BATCH
    """`in-batch`: the positives of the batch's other rows; `sampled`: a draw that all rows of the batch share."""
    draws: int = 4
    """Sampled negatives: draws a positive."""
    popularity_exponent: float = 0.5
    """Sampled negatives: they are drawn in proportion to popularity to this power."""
    batch_size: int = 512
    epochs: int = 10
    stop_after: int | None = None
    patience: int = 3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


class TwoTower(TowerModel):
    """The towers of `genre_ncf` without its ranker: score = user vector . item vector + item offset.

    Covington et al., "Deep neural networks for YouTube recommendations" (RecSys 2016), with the negatives of Yi et al.,
    "Sampling-bias-corrected neural modeling for large corpus item recommendations" (RecSys 2019).
    """

    name: ClassVar[str] = "two_tower"
    network: ClassVar[type[Towers]] = Towers
    sizes: ClassVar[type[TowerConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "negatives": OneOf((IN_BATCH, SAMPLED)),
        "dropout": Between(0.1, 0.5),
        "recent": Between(5, 50, log=True),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

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
        """Softmax over the row's positive and the batch's negatives; see `Recommender.fit` and `Config`.

        Raises:
            UserError: no row is eligible, the kind of negatives is unknown, or the checkpoint is of another model.
        """
        rows = eligible_rows(data, cls.name)
        config = Config(**(options or {}))
        torch.manual_seed(seed)
        trained = np.bincount(data.item, minlength=len(data.items)) > 0
        module = Towers(config, data.users.genres.shape[1], data.users.scalars.shape[1], data.items, trained)
        module.initialise()
        place = device()
        module.to(place)
        model = cls(module)

        def score() -> float:
            model.forget()
            return validate(model) if validate is not None else 0.0

        fitted = fit_epochs(
            module,
            rows.to(place),
            RetrievalLoss(module, config, data, place),
            config,
            seed=seed,
            validate=score if validate is not None else None,
            report=report,
            checkpoint=checkpoint,
        )
        return cls(module, fitted.best_epoch)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; an item that training never saw is scored by its content, a stranger by the features."""
        vectors, offset = self.catalogue()
        scores: Floats = torch.addmm(offset, self.module.encode(users), vectors.T).float().cpu().numpy()
        return np.where(allowed, scores, np.float32(-np.inf))


class RetrievalLoss:
    """Softmax cross-entropy of each row's positive among the batch's negatives, corrected for how these were found.

    A known positive of the row's user is never among the negatives.
    """

    def __init__(self, module: Towers, config: Config, data: TrainingData, place: torch.device) -> None:
        """Move the training rows to where the module is, once."""
        self.module = module
        self.config = config
        self._candidates = choose("kind of negatives", config.negatives, {IN_BATCH: self._others, SAMPLED: self._drawn})
        newest, users = slice(config.recent), data.users
        arrays = (users.genres, users.scalars, users.recent[:, newest], users.recent_ratings[:, newest])
        self.features = [torch.from_numpy(np.ascontiguousarray(array)).to(place) for array in arrays]
        self.user, self.item, self.snapshot, self.popularity = (
            torch.from_numpy(array).to(place) for array in (data.user, data.item, data.snapshot, data.popularity)
        )
        self.sampler = NegativeSampler(self.user, self.item, len(data.items), config.popularity_exponent)
        counts = torch.bincount(self.item[torch.from_numpy(data.eligible).to(place)], minlength=len(data.items))
        self.log_share = (counts / counts.sum()).log()

    def __call__(self, batch: Batch) -> Tensor:
        """See `fit_epochs`."""
        module, rows = self.module, batch.rows[batch.share]
        positives, snapshot = self.item[rows], self.snapshot[rows]
        negatives, own_correction, correction = self._candidates(batch, positives)
        user = module.users(*(feature.index_select(0, rows) for feature in self.features))
        vectors, bias = module.items(negatives)
        own_vectors, own_bias = module.items(positives)
        trend = self.popularity[snapshot, positives] @ module.popularity_weight
        right = (user * own_vectors).sum(1) + own_bias + trend - own_correction
        present, place = torch.unique(snapshot, return_inverse=True)
        trends = self.popularity[present[:, None], negatives] @ module.popularity_weight
        wrong = torch.addmm(F.embedding(place, trends + bias - correction), user, vectors.T)
        with torch.no_grad():  # their softmax is 0, and so is their gradient
            wrong[self.sampler.known(self.user[rows], negatives)] = -torch.inf
        logits = torch.cat([right[:, None], wrong], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum") / len(batch.rows)

    def _others(self, batch: Batch, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The positives of the whole batch, and log Q of the rows' own positives and of them.

        An item of the batch is there with probability Q, its share of the interactions, so that popular items are
        negatives too often; s - log Q takes that back, for the positive as well (Yi et al., section 4). An item that
        is there n times counts n times: one column with log Q - log n is the same sum as n columns.
        """
        items, times = torch.unique(self.item[batch.rows], return_counts=True)
        return items, self.log_share[positives], self.log_share[items] - times.log()

    def _drawn(self, batch: Batch, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A shared sample; see `NegativeSampler`. The positive is certain to be there: nothing to correct."""
        items, log_inclusion = self.sampler.draw(self.config.draws * len(batch.rows), batch.draws)
        return items, torch.zeros_like(positives, dtype=torch.float32), log_inclusion
