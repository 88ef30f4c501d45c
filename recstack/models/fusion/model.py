"""Fusion: many simple sources propose candidates, and a learned ranker puts them in order."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.fusion.inputs import FusionInputs, Limits
from recstack.models.fusion.network import Config, FusionRanker, train_ranker
from recstack.models.fusion.stacking import blocks, inputs_before, ranker_examples
from recstack.models.learning.search_space import Between, OneOf, SearchSpace
from recstack.models.training_data import TrainingData
from recstack.progress import working

_Ranked = tuple[slice, Ints, Mask, Floats]


class Fusion(Recommender):
    """Stacked generalisation (Wolpert, 1992) for ranking: sources propose and score, a listwise ranker decides.

    The ranker minimises the softmax cross-entropy of the chosen item among candidates (ListNet's top-one loss, Cao et
    al., ICML 2007) on rows that the sources which score them have not seen; then the sources learn from everything.
    """

    name: ClassVar[str] = "fusion"
    config_class: ClassVar[type[ModelConfig]] = Config
    space: ClassVar[SearchSpace] = {
        "rows_per_user": Between(10, 100, log=True),
        "hidden": OneOf((16, 32, 64)),
        "dropout": Between(0.0, 0.4),
        "epochs": Between(8, 48, log=True),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-4, 1e-1, log=True),
    }

    def __init__(self, inputs: FusionInputs, ranker: FusionRanker, config: Config) -> None:
        """Put fitted parts together."""
        self.inputs = inputs
        self.ranker = ranker.eval()
        self.config = config

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Train the ranker on blocks of time, then fit the sources to all rows; see `stacking.blocks`.

        The number of epochs is an option: nothing is found on `validate`. A log too small for any training example
        leaves the candidates in the order of the retrieval.

        Raises:
            UserError: an option is wrong, or the checkpoint is of another model.
        """
        config = Config.read(context.options, cls.name)
        random = np.random.default_rng(context.seed)
        limits = Limits(config.neighbours, config.interactions, config.older)
        examples = []
        with working("fusion: scoring training examples", total=config.blocks, unit="block") as step:
            for block in blocks(data, config.blocks, config.rows_per_user, config.rows, random):
                if len(block.targets) and block.known.any():
                    examples += ranker_examples(data, block, config.candidates, config.negatives, limits, random)
                step.advance()
        inputs = inputs_before(data, np.ones(len(data.item), dtype=bool), limits)
        table = inputs.table(data.users[:1], np.ones((1, len(data.items)), dtype=bool), 1)
        torch.manual_seed(context.seed)
        ranker = FusionRanker(table.inputs.shape[2], table.context.shape[1], config.hidden, config.dropout)
        if examples:
            train_ranker(ranker, examples, config, context)
        return cls(replace(inputs, items=data.items), ranker.cpu(), config)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; candidates stand above all other items, in the ranker's order, and these in order of popularity."""
        scores = np.full(allowed.shape, -np.inf, dtype=np.float32)
        depth = np.empty(allowed.shape[1], dtype=np.float32)
        depth[self.inputs.retrieval.order] = _below(np.arange(allowed.shape[1]))
        for rows, candidates, alive, ranked in self._ranked(users, allowed):
            floor = _floor(alive, ranked)
            scores[rows] = np.where(allowed[rows], floor[:, None] - depth, np.float32(-np.inf))
            row, slot = np.nonzero(alive)
            scores[rows.start + row, candidates[row, slot]] = ranked[row, slot]
        return scores

    def best(self, users: UserBatch, allowed: Mask, k: int) -> tuple[Ints, Floats]:
        """See `Recommender.best`: candidates, and below them popular items where fewer than k are allowed."""
        width = min(k, allowed.shape[1])
        positions = np.zeros((len(users), width), dtype=np.int64)
        scores = np.full((len(users), width), -np.inf, dtype=np.float32)
        for rows, candidates, alive, ranked in self._ranked(users, allowed):
            floor = _floor(alive, ranked)
            for number, (found, present, values) in enumerate(zip(candidates, alive, ranked, strict=True)):
                items, values = found[present], values[present]
                order = np.lexsort((items, -values))[:width]
                items, values = items[order], values[order]
                if len(items) < width:
                    free = allowed[rows.start + number].copy()
                    free[items] = False
                    depth = np.flatnonzero(free[self.inputs.retrieval.order])[: width - len(items)]
                    items = np.append(items, self.inputs.retrieval.order[depth])
                    values = np.append(values, floor[number] - _below(depth))
                positions[rows.start + number, : len(items)] = items
                scores[rows.start + number, : len(items)] = values
        return positions, scores

    def _ranked(self, users: UserBatch, allowed: Mask) -> Iterator[_Ranked]:
        """Batch after batch, computed by all cores where there are several."""
        batches = list(self.inputs.batches(len(users)))
        rank = partial(self._rank, users, allowed)
        if len(batches) <= 1:
            yield from map(rank, batches)
        else:
            with ThreadPoolExecutor(torch.get_num_threads()) as threads:
                yield from threads.map(rank, batches)

    @torch.inference_mode()
    def _rank(self, users: UserBatch, allowed: Mask, rows: slice) -> _Ranked:
        """The rows, their [B, K] candidates, which of them there are, and their scores."""
        prior = self.genre_prior(users[rows])
        table = self.inputs.table(users[rows], allowed[rows], self.config.candidates, prior)
        ranked = self.ranker(torch.from_numpy(table.inputs), torch.from_numpy(table.context)).numpy()
        return rows, table.candidates, table.alive, ranked + prior[:, None] * table.affinity

    def genre_prior(self, users: UserBatch) -> Floats:
        """[B] weight of the genre affinity: e^(-n / 5) for a user with n known interactions (as in `GenreNCF`)."""
        weight: Floats = (self.config.genre_prior * np.exp(-users.known / 5)).astype(np.float32)
        return weight

    def likeness(self, items: Ints, others: Ints) -> Floats:
        """[K, L] cosines of K items and L others by the users who chose them."""
        together: Floats = self.inputs.likeness(items)[:, others].toarray()
        return together

    def save(self, folder: Path) -> None:
        """Write `config.json`, `ranker.pt` (a state dict), and the files of `FusionInputs.save`."""
        self.inputs.save(folder)
        sizes = {"n_inputs": self.ranker.plain.in_features, "n_context": self.ranker.context.in_features}
        (folder / "config.json").write_text(json.dumps({"config": self.config.model_dump(), **sizes}, indent=2))
        torch.save(self.ranker.state_dict(), folder / "ranker.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote; genres and popularity come from `items`, as they are known now."""
        facts = json.loads((folder / "config.json").read_text())
        config = Config.model_validate(facts["config"])
        ranker = FusionRanker(facts["n_inputs"], facts["n_context"], config.hidden, config.dropout)
        ranker.load_state_dict(torch.load(folder / "ranker.pt", weights_only=True, map_location="cpu"))
        return cls(FusionInputs.load(folder, items, config.older), ranker, config)


def _floor(alive: Mask, ranked: Floats) -> Floats:
    """[B] the lowest score of a candidate; 0 without any."""
    lowest = np.where(alive, ranked, np.inf).min(axis=1, initial=np.inf)
    floor: Floats = np.where(np.isfinite(lowest), lowest, 0.0).astype(np.float32)
    return floor


def _below(order: Ints) -> Floats:
    """How far below the candidates the item stands that is the n-th most popular one."""
    depth: Floats = (1e-3 * (1.0 + order)).astype(np.float32)
    return depth
