"""Trains the ranker of `fusion` on examples of all blocks."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats
from recstack.models.base import FitContext
from recstack.models.fusion.network import Config, FusionRanker
from recstack.models.fusion.stacking import RankerExamples
from recstack.models.learning.device import device
from recstack.models.learning.loop import TrainingBatch, fit_epochs


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
    columns = [torch.from_numpy(each).to(device()) for each in (inputs, alive, users, weight)]

    def loss(batch: TrainingBatch) -> Tensor:
        rows = batch.rows[batch.share]
        candidates, possible, user, weights = (column[rows] for column in columns)
        logits = ranker(candidates, user).masked_fill(~possible, -torch.inf)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        each = F.cross_entropy(logits.float(), target, reduction="none")
        return (each * weights).sum() / len(batch.rows)

    fit_epochs(ranker, torch.arange(len(users), device=device()), loss, config, context, model="the ranker of fusion")


def _padded(values: Floats, width: int) -> Floats:
    """[M, K, ...] padded with zeros to [M, width, ...]."""
    missing = [(0, width - values.shape[1]) if axis == 1 else (0, 0) for axis in range(values.ndim)]
    padded: Floats = np.pad(values, missing)
    return padded
