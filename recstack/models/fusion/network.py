"""The network and the options of `fusion`: a small ranker over the sources' scores of a candidate and the user."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Floats
from recstack.models.learning.schedule import Schedule

CLIP = 5.0
"""Standard deviations at which inputs are cut."""


class Config(Schedule):
    """Chosen on blocks of time before the test parts of MovieLens-100K and latest-small: see benchmarks/NOTES.md."""

    candidates: int = 200
    """Items that the ranker puts in order."""
    blocks: int = 5
    """Blocks of time that the ranker learns from, each with sources fitted to what came before."""
    rows_per_user: int = 40
    """Choices of a user in a block that the ranker learns from, at most."""
    negatives: int = 48
    """Candidates that were not chosen, in each training example."""
    hidden: int = 32
    dropout: float = 0.1
    genre_prior: float = 2.0
    """What the genres of a user without history add to an item that carries just them; it is not learned."""
    batch_size: int = 256
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
        self.dropout = nn.Dropout(dropout)
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
        inputs = ((inputs - self.input_scale[0]) / self.input_scale[1]).clamp(-CLIP, CLIP)
        context = ((context - self.context_scale[0]) / self.context_scale[1]).clamp(-CLIP, CLIP)
        hidden = F.gelu(self.inputs(inputs) + self.context(context)[:, None])
        hidden = F.gelu(self.hidden(self.dropout(hidden)))
        scores: Tensor = (self.plain(inputs) + self.out(hidden)).squeeze(-1)
        return scores
