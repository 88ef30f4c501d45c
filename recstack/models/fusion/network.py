"""The network and the options of `fusion`: a small ranker over the sources' scores of a candidate and the user."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Floats
from recstack.models.base import FitContext
from recstack.models.fusion.stacking import RankerExamples
from recstack.models.learning.device import device
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.schedule import Schedule
from recstack.models.learning.towers import Dropout

CLIP = 5.0
"""Standard deviations at which inputs are cut."""


class Config(Schedule):
    """Chosen on blocks of time before the test parts of MovieLens-100K and latest-small: see benchmarks/NOTES.md."""

    hidden: int = 32
    dropout: float = 0.1
    candidates: int = 200
    """Items that the ranker puts in order."""
    blocks: int = 5
    """Blocks of time that the ranker learns from, each with sources fitted to what came before."""
    neighbours: int = 300
    """Related items kept of each item, which bounds the memory of a served model."""
    interactions: int = 5_000_000
    """Of more than so many, items are related by a sample of whole users."""
    older: int = 300
    """Items of a history beyond the recent ones that candidates are looked up by; of more, a sample."""
    rows: int = 20_000
    """Choices that the ranker learns from in all, at most."""
    rows_per_user: int = 40
    """Choices of a user in a block that the ranker learns from, at most."""
    negatives: int = 24
    """Candidates that were not chosen, in each training example."""
    genre_prior: float = 2.0
    """What the genres of a user without history add to an item that carries just them; it is not learned."""
    batch_size: int = 512
    learning_rate: float = 2.8e-3
    epochs: int = 24
    """All are trained; `patience` does nothing, because no validation part decides."""
    weight_decay: float = 1e-3


class FusionRanker(nn.Module):
    """One score a candidate: a weighted sum of its inputs, plus two hidden layers over these and the user's context."""

    input_scale: Tensor
    """[2, F] means and deviations."""
    context_scale: Tensor
    """[2, C] the same."""

    def __init__(self, n_inputs: int, n_context: int, hidden: int, dropout: float) -> None:
        """All candidates score the same at first."""
        super().__init__()
        for name, size in (("input_scale", n_inputs), ("context_scale", n_context)):
            self.register_buffer(name, torch.stack([torch.zeros(size), torch.ones(size)]))
        self.plain = nn.Linear(n_inputs, 1, bias=False)
        self.inputs = nn.Linear(n_inputs, hidden)
        self.context = nn.Linear(n_context, hidden, bias=False)
        self.dropout = Dropout(dropout)
        self.hidden = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)  # a bias would be the same for all candidates
        nn.init.zeros_(self.plain.weight)
        nn.init.zeros_(self.out.weight)

    def standardise(self, inputs: Floats, context: Floats) -> None:
        """Take the scales from [N, F] inputs of candidates and [M, C] contexts of users."""
        for scale, values in ((self.input_scale, inputs), (self.context_scale, context)):
            deviation = values.std(axis=0, dtype=np.float64)
            known = np.where(deviation > 1e-6, deviation, 1.0)
            scale.copy_(torch.from_numpy(np.stack([values.mean(axis=0, dtype=np.float64), known])))

    def forward(self, inputs: Tensor, context: Tensor) -> Tensor:
        """[B, K] scores from [B, K, F] inputs and [B, C] contexts."""
        return self.rank(*self.standardised(inputs, context))

    def standardised(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Both in standard deviations from their means."""
        inputs = ((inputs - self.input_scale[0]) / self.input_scale[1]).clamp(-CLIP, CLIP)
        context = ((context - self.context_scale[0]) / self.context_scale[1]).clamp(-CLIP, CLIP)
        return inputs, context

    def rank(self, inputs: Tensor, context: Tensor) -> Tensor:
        """[B, K] scores from what `standardised` returns."""
        hidden = F.relu(self.inputs(inputs) + self.context(context)[:, None])
        hidden = F.relu(self.hidden(self.dropout(hidden)))
        scores: Tensor = (self.plain(inputs) + self.out(hidden)).squeeze(-1)
        return scores


def train_ranker(ranker: FusionRanker, examples: Sequence[RankerExamples], config: Config, context: FitContext) -> None:
    """Minimise the softmax cross-entropy of the chosen item, weighted by user, in place.

    Args:
        ranker: new.
        examples: at least one.
        config: schedule.
        context: seed, what to call after an epoch, checkpoint.
    """
    widest = max(part.inputs.shape[1] for part in examples)
    inputs = np.concatenate([_padded(part.inputs, widest) for part in examples])
    alive = np.concatenate([_padded(part.alive.astype(np.float32), widest) for part in examples]) > 0
    users = np.concatenate([part.context for part in examples])
    weight = np.concatenate([part.weight for part in examples])
    ranker.standardise(inputs[alive], users)
    ranker.to(device())
    with torch.no_grad():  # once, and not for each epoch
        scaled = ranker.standardised(torch.from_numpy(inputs).to(device()), torch.from_numpy(users).to(device()))
    candidates, user = scaled
    possible, weights = torch.from_numpy(alive).to(device()), torch.from_numpy(weight).to(device())

    def loss(batch: TrainingBatch) -> Tensor:
        rows = batch.rows[batch.share]
        logits = ranker.rank(candidates[rows], user[rows]).masked_fill(~possible[rows], -torch.inf)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        each = F.cross_entropy(logits.float(), target, reduction="none")
        return (each * weights[rows]).sum() / len(batch.rows)

    fit_epochs(ranker, torch.arange(len(users), device=device()), loss, config, context, model="the ranker of fusion")


def _padded(values: Floats, width: int) -> Floats:
    """[M, K, ...] padded with zeros to [M, width, ...]."""
    missing = [(0, width - values.shape[1]) if axis == 1 else (0, 0) for axis in range(values.ndim)]
    padded: Floats = np.pad(values, missing)
    return padded
