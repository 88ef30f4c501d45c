"""Fusion: many simple sources propose candidates, and a learned ranker puts them in order."""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.config import ModelConfig
from recstack.models.fusion.inputs import FusionInputs
from recstack.models.fusion.network import Config, FusionRanker, train_ranker
from recstack.models.fusion.sources.content import genre_affinity
from recstack.models.fusion.stacking import blocks, inputs_before, ranker_examples
from recstack.models.learning.search_space import Between, OneOf, SearchSpace
from recstack.models.training_data import TrainingData
from recstack.progress import working

USERS_AT_ONCE = 128
"""Bounds the memory of [users, items] scores of all sources."""


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
        examples = []
        with working("fusion: scoring training examples", total=config.blocks, unit="block") as step:
            for block in blocks(data, config.blocks, config.rows_per_user, random):
                if len(block.targets) and block.known.any():
                    examples += ranker_examples(data, block, config.candidates, config.negatives, random)
                step.advance()
        inputs = inputs_before(data, np.ones(len(data.item), dtype=bool))
        table = inputs.table(data.users[:1], np.ones((1, len(data.items)), dtype=bool), 1)
        torch.manual_seed(context.seed)
        ranker = FusionRanker(table.inputs.shape[2], table.context.shape[1], config.hidden, config.dropout)
        if examples:
            train_ranker(ranker, examples, config, context)
        return cls(replace(inputs, items=data.items), ranker.cpu(), config)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; candidates stand above all other items, in the ranker's order."""
        parts = [
            self._score(users[start : start + USERS_AT_ONCE], allowed[start : start + USERS_AT_ONCE])
            for start in range(0, len(users), USERS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(allowed.shape, dtype=np.float32)

    def _score(self, users: UserBatch, allowed: Mask) -> Floats:
        prior = self.genre_prior(users)
        table = self.inputs.table(users, allowed, self.config.candidates, prior)
        ranked = self.ranker(torch.from_numpy(table.inputs), torch.from_numpy(table.context)).numpy()
        ranked = ranked + np.take_along_axis(prior, table.candidates, axis=1)
        lowest = np.where(table.alive, ranked, np.inf).min(axis=1, keepdims=True)
        best = np.where(allowed, table.retrieval, -np.inf).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # nothing allowed: -inf - -inf
            scores = np.where(allowed, table.retrieval - best + lowest - 1e-3, -np.inf).astype(np.float32)
        np.put_along_axis(scores, table.candidates, np.where(table.alive, ranked, -np.inf).astype(np.float32), axis=1)
        return scores

    def genre_prior(self, users: UserBatch) -> Floats:
        """[B, I] genre affinity, times e^(-n / 5) for a user with n known interactions (as in `GenreNCF`)."""
        known = np.diff(users.seen_offsets)[:, None]
        weight = self.config.genre_prior * np.exp(-known / 5)
        prior: Floats = (weight * genre_affinity(users, self.inputs.items)).astype(np.float32)
        return prior

    def likeness(self, items: Ints, others: Ints) -> Floats:
        """[K, L] cosines of K items and L others by the users who chose them."""
        together: Floats = self.inputs.sources["cosine"].matrix[items][:, others].toarray()
        return together

    def save(self, folder: Path) -> None:
        """Write the sources, `facts.npy`, `config.json` and `ranker.pt` (a state dict)."""
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
        return cls(FusionInputs.load(folder, items), ranker, config)
