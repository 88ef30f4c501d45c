"""The training loop of gradient models: epochs, early stopping, resume after a kill, several processes, any device."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from recstack.models.base import Epoch, FitContext
from recstack.models.learning.checkpoint import SCORE, TrainingState
from recstack.models.learning.schedule import Schedule
from recstack.progress import working


@dataclass(frozen=True)
class TrainingBatch:
    """What one step learns from."""

    number: int
    """In its epoch, from 0."""
    rows: Tensor
    """[B] training row numbers, those of all processes."""
    share: slice
    """Which of them are this process's."""
    draws: torch.Generator
    """The same in all processes."""


def fit_epochs(
    module: nn.Module,
    rows: Tensor,
    loss: Callable[[TrainingBatch], Tensor],
    schedule: Schedule,
    context: FitContext,
    *,
    model: str,
    validate: Callable[[], float] | None = None,
) -> int:
    """Train `module` in place and leave it with the weights of its best epoch (the last one without `validate`).

    Under `torchrun` each process takes its share of every batch and gradients are summed, so that the result is that
    of one process. All processes draw the same batches and negatives.

    Args:
        module: on its device already.
        rows: [N] training row numbers, at least one.
        loss: summed loss of this process's rows over the size of the whole batch. It must reach the same parameters in
            all processes.
        schedule: see `Schedule`.
        context: its seed decides order, negatives and dropout; `on_epoch` of a resumed run is first called with the
            epochs that are not repeated; `checkpoint` holds the state after each epoch, and training continues from
            one that is there. One that can't be read is replaced.
        model: its name, for the progress line.
        validate: score of the module as it is, higher is better; see `FitContext.validation_of`.

    Returns:
        The best epoch, from 1.

    Raises:
        UserError: the checkpoint is of another model.
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    draws = torch.Generator(rows.device)
    biases = [p for p in module.parameters() if p.dim() < 2]
    weights = [p for p in module.parameters() if p.dim() >= 2]
    groups = [{"params": weights, "weight_decay": schedule.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, fused=True)
    batches = -(-len(rows) // schedule.batch_size)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=schedule.epochs * batches)
    state = TrainingState(module, optimizer, decay)
    if context.checkpoint is not None and context.checkpoint.exists():
        state.load(context.checkpoint)
        if rank == 0:
            for number, metrics in enumerate(state.history, 1):
                context.on_epoch(Epoch(number, metrics))

    last = schedule.epochs if schedule.stop_after is None else schedule.stop_after
    patience = last if schedule.patience is None else schedule.patience
    with working(f"training {model}", total=last * batches, unit="step") as step:
        step.advance(state.epoch * batches)
        while state.epoch < last and state.epoch - state.best_epoch < patience:
            module.train()
            # An epoch's randomness follows from its number, so that a resumed run needs no generator's state.
            draws.manual_seed(_mixed(context.seed, state.epoch))
            torch.manual_seed(_mixed(context.seed, state.epoch, rank + 1))
            total = torch.zeros((), device=rows.device)
            order = rows[torch.randperm(len(rows), generator=draws, device=rows.device)]
            for number, batch in enumerate(torch.split(order, schedule.batch_size)):
                share = slice(len(batch) * rank // world, len(batch) * (rank + 1) // world)
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast(rows.device.type, torch.bfloat16, enabled=rows.device.type == "cuda"):
                    value = loss(TrainingBatch(number, batch, share, draws))
                value.backward()  # type: ignore[no-untyped-call]
                if world > 1:
                    _sum_gradients(module)
                optimizer.step()
                decay.step()
                total += value.detach() * len(batch)
                step.advance()
            module.eval()
            if world > 1:
                dist.all_reduce(total)
            metrics = {"loss": float(total) / len(rows)}
            if validate is not None:
                metrics[SCORE] = _same_in_all_processes(validate() if rank == 0 else 0.0, world)
            state.advance(metrics)
            step.note(f"epoch {state.epoch}, " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
            if context.checkpoint is not None and rank == 0:
                state.save(context.checkpoint)
            if rank == 0:
                context.on_epoch(Epoch(state.epoch, metrics))
    module.load_state_dict(state.best)
    module.eval()
    return state.best_epoch


def _sum_gradients(module: nn.Module) -> None:
    """Sum the gradients of all processes, in one message."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    summed = nn.utils.parameters_to_vector(gradients)
    dist.all_reduce(summed)
    nn.utils.vector_to_parameters(summed, gradients)


def _same_in_all_processes(value: float, world: int) -> float:
    if world == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, src=0)
    return float(shared)


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
