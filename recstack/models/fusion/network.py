"""The learned ranker of `fusion`: a small network over what the sources say of a candidate and who asks."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Floats

CLIP = 5.0
"""Standard deviations beyond which inputs say no more."""


class FusionRanker(nn.Module):
    """One score a candidate: a weighted sum of its inputs, plus what two hidden layers make of them and the user."""

    input_scale: Tensor
    """[2, F] means and deviations."""
    context_scale: Tensor
    """[2, C] the same."""

    def __init__(self, n_inputs: int, n_context: int, hidden: int, dropout: float) -> None:
        """Start from all candidates alike."""
        super().__init__()
        for name, size in (("input_scale", n_inputs), ("context_scale", n_context)):
            self.register_buffer(name, torch.stack([torch.zeros(size), torch.ones(size)]))
        self.plain = nn.Linear(n_inputs, 1, bias=False)
        self.inputs = nn.Linear(n_inputs, hidden)
        self.context = nn.Linear(n_context, hidden, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)  # all candidates alike: a bias would do nothing
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
