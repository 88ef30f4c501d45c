"""Fusion: candidates from many sources, put in order by a ranker that has learned whom to believe, and when."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.fusion.inputs import FusionInputs
from recstack.models.fusion.network import FusionRanker
from recstack.models.fusion.sources.content import genre_affinity
from recstack.models.fusion.stacking import Lesson, blocks, inputs_before, lessons
from recstack.models.learning.loop import Batch, Schedule, device, fit_epochs
from recstack.models.learning.search_space import Between, OneOf, SearchSpace

USERS_AT_ONCE = 128
"""Bounds the memory of [users, items] scores of all sources."""


@dataclass(frozen=True)
class Config:
    """Chosen on blocks of time before the test parts of MovieLens-100K and latest-small: see docs/models.md."""

    candidates: int = 200
    """Items that the ranker puts in order."""
    blocks: int = 5
    """Blocks of time that the ranker learns from, each with sources fitted to what came before."""
    rows_per_user: int = 40
    """Choices of a user in a block that the ranker learns from, at most."""
    negatives: int = 48
    hidden: int = 32
    dropout: float = 0.1
    genre_prior: float = 2.0
    """What a stranger's genres add to an item that carries just them; nothing is learned from it."""
    batch_size: int = 256
    epochs: int = 24
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3


class Fusion(Recommender):
    """Stacked generalisation (Wolpert, 1992) for ranking: sources propose and score, a listwise ranker decides.

    The ranker minimises the softmax cross-entropy of the chosen item among candidates (ListNet's top-one loss, Cao et
    al., ICML 2007) on rows that the sources which score them have not seen; then the sources learn from everything.
    """

    name: ClassVar[str] = "fusion"
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
        """Learn whom to believe from blocks of time, then fit the sources to all rows; see `fusion_stacking.blocks`.

        The number of epochs is an option: nothing is found on `validate`. A log too small for any lesson leaves the
        order of the retrieval.
        """
        config = Config(**(options or {}))
        random = np.random.default_rng(seed)
        taught = [
            lesson
            for block in blocks(data, config.blocks, config.rows_per_user, random)
            if len(block.asked) and block.known.any()
            if (lesson := lessons(data, block, config.candidates, config.negatives, random)) is not None
        ]
        inputs = inputs_before(data, np.ones(len(data.item), dtype=bool))
        probe = inputs.table(data.users[:1], np.ones((1, len(data.items)), dtype=bool), 1)
        torch.manual_seed(seed)
        ranker = FusionRanker(probe.inputs.shape[2], probe.context.shape[1], config.hidden, config.dropout)
        if taught:
            _teach(ranker, taught, config, seed, report, checkpoint)
        return cls(FusionInputs(inputs.sources, inputs.facts, data.items), ranker.cpu(), config)

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; candidates stand above all other items, in the ranker's order."""
        parts = [
            self._score(users[start : start + USERS_AT_ONCE], allowed[start : start + USERS_AT_ONCE])
            for start in range(0, len(users), USERS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(allowed.shape, dtype=np.float32)

    def _score(self, users: UserBatch, allowed: Mask) -> Floats:
        prior = self._prior(users)
        table = self.inputs.table(users, allowed, self.config.candidates, prior)
        ranked = self.ranker(torch.from_numpy(table.inputs), torch.from_numpy(table.context)).numpy()
        ranked = ranked + np.take_along_axis(prior, table.candidates, axis=1)
        lowest = np.where(table.alive, ranked, np.inf).min(axis=1, keepdims=True)
        best = np.where(allowed, table.retrieval, -np.inf).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # nothing allowed: -inf - -inf
            scores = np.where(allowed, table.retrieval - best + lowest - 1e-3, -np.inf).astype(np.float32)
        np.put_along_axis(scores, table.candidates, np.where(table.alive, ranked, -np.inf).astype(np.float32), axis=1)
        return scores

    def _prior(self, users: UserBatch) -> Floats:
        """[B, I] what genres alone say, fading as e^(-n / 5) with n known interactions (see `GenreNCF`)."""
        known = np.diff(users.seen_offsets)[:, None]
        weight = self.config.genre_prior * np.exp(-known / 5)
        prior: Floats = (weight * genre_affinity(users, self.inputs.items)).astype(np.float32)
        return prior

    def likeness(self, items: Ints, others: Ints) -> Floats:
        """[K, L] cosines of K items and L others by the people who chose them."""
        together: Floats = self.inputs.sources["cosine"].matrix[items][:, others].toarray()
        return together

    def save(self, folder: Path) -> None:
        """Write the sources, `facts.npy`, `config.json` and `ranker.pt` (a state dict)."""
        self.inputs.save(folder)
        sizes = {"n_inputs": self.ranker.plain.in_features, "n_context": self.ranker.context.in_features}
        (folder / "config.json").write_text(json.dumps({"config": asdict(self.config), **sizes}, indent=2))
        torch.save(self.ranker.state_dict(), folder / "ranker.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote; genres and popularity come from `items`, as they are known now."""
        facts = json.loads((folder / "config.json").read_text())
        config = Config(**facts["config"])
        ranker = FusionRanker(facts["n_inputs"], facts["n_context"], config.hidden, config.dropout)
        ranker.load_state_dict(torch.load(folder / "ranker.pt", weights_only=True, map_location="cpu"))
        return cls(FusionInputs.load(folder, items), ranker, config)


def _teach(
    ranker: FusionRanker,
    taught: list[Lesson],
    config: Config,
    seed: int,
    report: Callable[[Progress], None] | None,
    checkpoint: Path | None,
) -> None:
    place = device()
    widest = max(lesson.inputs.shape[1] for lesson in taught)
    inputs = np.concatenate([_wide(lesson.inputs, widest) for lesson in taught])
    alive = np.concatenate([_wide(lesson.alive.astype(np.float32), widest) for lesson in taught]) > 0
    context = np.concatenate([lesson.context for lesson in taught])
    weight = np.concatenate([lesson.weight for lesson in taught])
    ranker.standardise(inputs[alive], context)
    ranker.to(place)
    columns = [torch.from_numpy(each).to(place) for each in (inputs, alive, context, weight)]

    def loss(batch: Batch) -> Tensor:
        rows = batch.rows[batch.share]
        seen, possible, who, weights = (column[rows] for column in columns)
        logits = ranker(seen, who).masked_fill(~possible, -torch.inf)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        each = F.cross_entropy(logits.float(), target, reduction="none")
        return (each * weights).sum() / len(batch.rows)

    schedule = Schedule(
        config.epochs, None, config.epochs, config.batch_size, config.learning_rate, config.weight_decay
    )
    rows = torch.arange(len(context), device=place)
    fit_epochs(ranker, rows, loss, schedule, seed=seed, validate=None, report=report, checkpoint=checkpoint)


def _wide(values: Floats, width: int) -> Floats:
    """[M, K, ...] padded with zeros to [M, width, ...]."""
    missing = [(0, width - values.shape[1]) if axis == 1 else (0, 0) for axis in range(values.ndim)]
    padded: Floats = np.pad(values, missing)
    return padded
