"""The training loop of gradient models: epochs, early stopping, resume after a kill, several processes, any device."""

import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from recstack.errors import UserError
from recstack.models.base import Progress, TrainingData

log = logging.getLogger(__name__)


SCORE = "validation_ndcg@10"
"""Name under which `fit_epochs` reports what `validate` says."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn."""

    epochs: int
    """Length of the learning rate's linear decay to a tenth."""
    stop_after: int | None
    """End after this epoch whatever validation says: for a refit with the number of epochs that was found before."""
    patience: int
    """Epochs without a better validation score before it ends."""
    batch_size: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class Fitted:
    """Where training ended: the model holds the best epoch's weights."""

    best_epoch: int
    best_score: float


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    number: int
    """In its epoch, from 0."""
    rows: Tensor
    """[B] training row numbers, those of all processes."""
    share: slice
    """Which of them are this process's."""
    draws: torch.Generator
    """The same in all processes."""


def device() -> torch.device:
    """CUDA if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def eligible_rows(data: TrainingData, name: str) -> Tensor:
    """[N] numbers of the training rows whose users the training filter admits.

    Raises:
        UserError: there are none for the model of this name.
    """
    if not data.eligible.any():
        raise UserError(
            f"there is nothing for {name} to learn from: no interaction is of a user whom the training filter admits;"
            " build the features with a wider `training_filter`, or choose a model that needs none"
        )
    return torch.from_numpy(np.flatnonzero(data.eligible))


def fit_epochs(
    module: nn.Module,
    rows: Tensor,
    loss: Callable[[Batch], Tensor],
    schedule: Schedule,
    *,
    seed: int,
    validate: Callable[[], float] | None,
    report: Callable[[Progress], None] | None,
    checkpoint: Path | None,
) -> Fitted:
    """Train `module` in place and leave it with the weights of its best epoch (the last one without `validate`).

    Under `torchrun` each process takes its share of every batch and gradients are summed, so that the result is that
    of one process. All processes draw the same batches and negatives.

    Args:
        module: on its device already.
        rows: [N] training row numbers, at least one.
        loss: summed loss of this process's rows over the size of the whole batch. It must reach the same parameters in
            all processes.
        schedule: see `Schedule`.
        seed: of order, negatives and dropout.
        validate: score of the module as it is, higher is better.
        report: called after each epoch; a resumed run begins with the epochs that it does not repeat.
        checkpoint: file that holds the state after each epoch; found at the start, training goes on from it. One that
            can't be read is replaced.

    Raises:
        UserError: the checkpoint is of another model.
    """
    if rows.device.type == "cpu":
        # These matrices are small: a second thread gains little, and waits for its turn wherever other programs run.
        torch.set_num_threads(1)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    draws = torch.Generator(rows.device)
    biases = [p for p in module.parameters() if p.dim() < 2]
    weights = [p for p in module.parameters() if p.dim() >= 2]
    groups = [{"params": weights, "weight_decay": schedule.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, fused=True)
    batches = -(-len(rows) // schedule.batch_size)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=schedule.epochs * batches)
    state = _State(module, optimizer, decay)
    if checkpoint is not None and checkpoint.exists():
        state.load(checkpoint)
        if report is not None and rank == 0:
            for epoch, metrics in enumerate(state.history, 1):
                report(Progress(epoch, metrics))

    last = schedule.epochs if schedule.stop_after is None else schedule.stop_after
    while state.epoch < last and state.epoch - state.best_epoch < schedule.patience:
        module.train()
        # An epoch's randomness follows from its number, so that a resumed run needs no generator's state.
        draws.manual_seed(_mixed(seed, state.epoch))
        torch.manual_seed(_mixed(seed, state.epoch, rank + 1))
        total = torch.zeros((), device=rows.device)
        order = rows[torch.randperm(len(rows), generator=draws, device=rows.device)]
        for number, batch in enumerate(torch.split(order, schedule.batch_size)):
            share = slice(len(batch) * rank // world, len(batch) * (rank + 1) // world)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(rows.device.type, torch.bfloat16, enabled=rows.device.type == "cuda"):
                value = loss(Batch(number, batch, share, draws))
            value.backward()  # type: ignore[no-untyped-call]
            if world > 1:
                _sum_gradients(module)
            optimizer.step()
            decay.step()
            total += value.detach() * len(batch)
        module.eval()
        if world > 1:
            dist.all_reduce(total)
        metrics = {"loss": float(total) / len(rows)}
        if validate is not None:
            metrics[SCORE] = _same_everywhere(validate() if rank == 0 else 0.0, world)
        state.advance(metrics)
        if checkpoint is not None and rank == 0:
            state.save(checkpoint)
        if report is not None and rank == 0:
            report(Progress(state.epoch, metrics))
    module.load_state_dict(state.best)
    module.eval()
    return Fitted(state.best_epoch, state.best_score)


class _State:
    """Everything that a resumed run needs to end where an unbroken one would."""

    def __init__(self, module: nn.Module, optimizer: Any, decay: Any) -> None:
        self._parts = {"module": module, "optimizer": optimizer, "decay": decay}
        self.epoch = self.best_epoch = 0
        self.best_score = float("-inf")
        self.best = self._weights()
        self.history: list[dict[str, float]] = []

    def advance(self, metrics: dict[str, float]) -> None:
        self.epoch += 1
        self.history.append(metrics)
        score = metrics.get(SCORE)
        if score is None or not score <= self.best_score:  # NaN, from an empty validation part, holds nothing back
            self.best, self.best_epoch = self._weights(), self.epoch
            self.best_score = float("nan") if score is None else score

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self._parts.items()}
        position = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_score": self.best_score}
        draft = path.with_suffix(".draft")
        torch.save({**state, **position, "best": self.best, "history": self.history}, draft)
        os.replace(draft, path)

    def load(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            log.warning("checkpoint %s can't be read, training starts anew: %s", path, error)
            return
        try:
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise UserError(f"checkpoint {path} is of another model or other options; remove it: {error}") from error
        self.epoch, self.best_epoch, self.best_score = state["epoch"], state["best_epoch"], state["best_score"]
        self.best, self.history = state["best"], state["history"]

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._parts["module"].state_dict().items()}


def _sum_gradients(module: nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)


def _same_everywhere(value: float, world: int) -> float:
    if world == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, src=0)
    return float(shared)


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
