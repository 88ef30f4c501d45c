"""Genre-aware neural collaborative filter: users are their features, so new users are scored without retraining."""

import warnings
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.models.genre_ncf.network import Config, GenreNCFModule
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.learning.row_inputs import RowInputs
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.top_k import top_k
from recstack.models.learning.tower_model import TowerModel
from recstack.models.learning.towers import TowerConfig, Towers
from recstack.models.training_data import TrainingData

RANKED_BATCHES, RANKED_ROWS = 8, 2
"""The ranker is small and learns from every second row of every eighth batch; more costs time and adds nothing."""

PRIOR_LENGTH = 100
"""Length of a history from which on the genre prior is below the last bit of a score and is left out."""


class GenreNCF(TowerModel):
    """Dot-product retrieval over the whole catalogue, then the ranker on the best few hundred."""

    name: ClassVar[str] = "genre_ncf"
    network: ClassVar[type[Towers]] = GenreNCFModule
    config_class: ClassVar[type[TowerConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "dropout": Between(0.1, 0.5),
        "negatives": Between(1, 8, log=True),
        "recent": Between(5, 50, log=True),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    module: GenreNCFModule

    def __init__(self, module: GenreNCFModule, best_epoch: int = 0) -> None:
        """See `TowerModel`."""
        super().__init__(module, best_epoch)
        self._parts: tuple[Tensor, Tensor] | None = None

    def forget(self) -> None:
        """Drop what was computed from the weights, because they have changed."""
        super().forget()
        self._parts = None

    @torch.inference_mode()
    def catalogue_parts(self) -> tuple[Tensor, Tensor]:
        """The ranker's parts [I, ranker_hidden] of all items and their genres [I, G], which are sparse.

        As of the first call since `forget`; computing them for each request would be most of its cost.
        """
        if self._parts is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
                genres = self.module.genres.to_sparse_csr()
                # MKL takes indices of 32 bits; it would convert longer ones at each product.
                indices = genres.crow_indices().int(), genres.col_indices().int()
                genres = torch.sparse_csr_tensor(*indices, genres.values(), genres.shape, check_invariants=True)
            self._parts = self.module.ranker_item(self.catalogue()[0]), genres
        return self._parts

    @classmethod
    def loss(cls, module: Towers, data: TrainingData, rows: Ints) -> "SampledLoss":
        """Sampled softmax over the batch's shared negatives, and the ranker's."""
        assert isinstance(module, GenreNCFModule)
        return SampledLoss(module, data, rows)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; candidates stand above all other items, in the ranker's order."""
        scores, retrieved, items, ranked = self._rank(users, allowed)
        kept = ranked > -torch.inf
        most = torch.finfo(ranked.dtype).max
        floor = ranked.masked_fill(~kept, most).amin(1, keepdim=True) - 1e-3
        # All other items are lowered by one amount, which keeps their order.
        sunk = (retrieved.masked_fill(~kept, most).amin(1, keepdim=True) - floor).clamp(min=0)
        ordered = torch.where(scores.isnan(), scores, (scores - sunk).scatter(1, items, ranked))
        result: Floats = ordered.float().cpu().numpy()
        return result

    @torch.inference_mode()
    def best(self, users: UserBatch, allowed: Mask, k: int) -> tuple[Ints, Floats]:
        """See `Recommender.best`: candidates, which are the best k or all that are allowed."""
        if k > self.module.config.candidates:
            return super().best(users, allowed, k)
        _, _, candidates, scores = self._rank(users, allowed)
        items, ranked = candidates.cpu().numpy(), scores.float().cpu().numpy()
        order = np.lexsort((items, -ranked))[:, :k]
        return np.take_along_axis(items, order, axis=1), np.take_along_axis(ranked, order, axis=1)

    def _rank(self, users: UserBatch, allowed: Mask) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Retrieval over the catalogue, and the ranker on its C best items.

        Returns:
            [B, I] scores of the retrieval, [B, C] those of the candidates, [B, C] positions of the candidates, and
            [B, C] their scores by the ranker; -inf where an item is not allowed.
        """
        module = self.module
        device = module.content.device
        genres = torch.from_numpy(users.genres).to(device)
        vector = module.encode(users)
        catalogue, offset = self.catalogue()
        catalogue_parts, catalogue_genres = self.catalogue_parts()
        plain = torch.addmm(offset, vector, catalogue.T)
        scores = self._with_prior(plain, users, genres, catalogue_genres)
        scores.masked_fill_(torch.from_numpy(~allowed).to(device), -torch.inf)
        retrieved, items = _candidates(scores, min(module.config.candidates, scores.shape[1]))
        kept = retrieved > -torch.inf
        without_prior = plain.gather(1, items).masked_fill(~kept, 0.0)
        level = without_prior.sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp(min=1)
        parts = F.embedding(items, catalogue_parts)
        correction = module.rerank(vector, genres, items, parts, module.popularity[items], without_prior, level)
        return scores, retrieved, items, (retrieved + correction).masked_fill(~kept, -torch.inf)

    def _with_prior(self, plain: Tensor, users: UserBatch, genres: Tensor, catalogue: Tensor) -> Tensor:
        """[B, I] scores plus the genre prior: cosine of profile and item, times e^(-n / 5) after n interactions.

        A user who names three documentaries wants documentaries; the log mostly holds what else such users rated.
        """
        scores = plain.clone()
        known = users.known
        rows = torch.from_numpy(np.flatnonzero(known < PRIOR_LENGTH)).to(plain.device)
        if len(rows):
            weight = self.module.config.genre_prior * torch.exp(-torch.from_numpy(known).to(genres)[rows] / 5)
            scores.index_add_(0, rows, (catalogue @ (weight[:, None] * F.normalize(genres[rows], dim=1)).T).T)
        return scores


def _candidates(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """[B, count] best scores and their positions, NaN last.

    On a CPU torch's own `topk` takes three times as long for a catalogue of 20,000 (docs/performance/answer.md).
    """
    scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    if scores.is_cuda:
        return scores.topk(count, dim=1)
    items = torch.from_numpy(top_k(scores.numpy(), count))
    return scores.gather(1, items), items


class SampledLoss:
    """Sampled softmax of a batch, and the ranker's own softmax over the retrieval's best."""

    def __init__(self, module: GenreNCFModule, data: TrainingData, rows: Ints) -> None:
        """Move the training rows to the module's device, once."""
        self.module = module
        device = module.content.device
        inputs = RowInputs.of(data.users, rows, module.config.recent)
        self.genres, self.scalars, self.recent, self.ratings, self.user, self.item, self.snapshot = (
            torch.from_numpy(array).to(device)
            for array in (*inputs, data.user[rows], data.item[rows], data.snapshot[rows])
        )
        self.popularity = torch.from_numpy(data.popularity).to(device)
        user, item = (torch.from_numpy(array).to(device) for array in (data.user, data.item))
        self.sampler = NegativeSampler(user, item, len(data.items), module.config.popularity_exponent)

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`."""
        module, config = self.module, self.module.config
        negatives, log_inclusion = self.sampler.draw(config.negatives * len(batch.rows), batch.draws)
        rows = batch.rows[batch.share]
        positives, snapshot = self.item[rows], self.snapshot[rows]
        user = module.users(
            *(features.index_select(0, rows) for features in (self.genres, self.scalars, self.recent, self.ratings))
        )
        all_vectors, all_bias = module.items(torch.cat([negatives, positives]))
        vectors, own_vectors = torch.split(all_vectors, [len(negatives), len(rows)])
        bias, own_bias = torch.split(all_bias, [len(negatives), len(rows)])
        right = (user * own_vectors).sum(1) + own_bias + self.popularity[snapshot, positives] @ module.popularity_weight
        present, which = torch.unique(snapshot, return_inverse=True)
        trend = self.popularity[present[:, None], negatives] @ module.popularity_weight  # [snapshots of the batch, M]
        offset = F.embedding(which, trend + bias - log_inclusion)
        wrong = torch.addmm(offset, user, vectors.T)
        with torch.no_grad():  # their softmax is 0, and so is their gradient
            wrong[self.sampler.known(self.user[rows], negatives)] = -torch.inf
        logits = torch.cat([right[:, None], wrong], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        retrieval = F.cross_entropy(logits.float(), target, reduction="sum")
        if batch.number % RANKED_BATCHES:
            return retrieval / len(batch.rows)
        # Rows come in random order; every second of the batch, not of the share, whatever the number of processes.
        some = slice(-batch.share.start % RANKED_ROWS, None, RANKED_ROWS)
        ranking = self._ranking(
            rows[some],
            user[some].detach(),
            right[some].detach(),
            wrong[some].detach() + log_inclusion,
            negatives,
            module.ranker_item(own_vectors[some].detach()),
            module.ranker_item(vectors.detach()),
            batch.draws,
        )
        return (retrieval + RANKED_BATCHES * RANKED_ROWS * ranking) / len(batch.rows)

    def _ranking(
        self,
        rows: Tensor,
        user: Tensor,
        right: Tensor,
        wrong: Tensor,
        negatives: Tensor,
        own_parts: Tensor,
        parts: Tensor,
        draws: torch.Generator,
    ) -> Tensor:
        """Loss of the ranker on the rows whose positive the retrieval itself ranks among its candidates.

        In other rows the positive differs from all candidates, and the ranker would learn to prefer what is different.
        """
        module, config = self.module, self.module.config
        best, columns = wrong.topk(min(config.candidates, wrong.shape[1]), dim=1, sorted=False)
        floor = best.amin(1)
        alive = best > -torch.inf
        level = best.masked_fill(~alive, 0.0).sum(1, keepdim=True) / alive.sum(1, keepdim=True).clamp(min=1)
        lots = torch.randperm(best.shape[1], generator=draws, device=best.device)[: config.ranked_negatives]
        reached = right >= floor
        rows, column = rows[reached], columns[reached][:, lots]
        scores = torch.cat([right[reached][:, None], wrong[reached].gather(1, column)], 1)
        dead = scores == -torch.inf
        scores = scores.masked_fill(dead, 0.0)
        items = torch.cat([self.item[rows][:, None], negatives[column]], 1)
        popularity = self.popularity[self.snapshot[rows][:, None], items]
        parts = torch.cat([own_parts[reached][:, None], parts[column]], 1)
        correction = module.rerank(user[reached], self.genres[rows], items, parts, popularity, scores, level[reached])
        logits = (scores + correction).masked_fill(dead, -torch.inf)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum")
