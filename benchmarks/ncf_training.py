"""(user, item, label) samples that the same NCF learns from in a second: our fit against a tutorial's loop.

python benchmarks/ncf_training.py [--device cuda]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from ncf_tutorial import BATCH, CONFIG, FrameRows, ListRows, TensorRows, Tutorial
from side_by_side import compare, interleaved

from recstack.features.arrays import Ints
from recstack.models.base import FitContext
from recstack.models.learning.loop import fit_epochs
from recstack.models.learning.schedule import Schedule
from recstack.models.neumf.model import PairLoss
from recstack.models.neumf.network import NeuMFModule

N_USERS, N_ITEMS, N_ROWS, ROUNDS, THREADS = 943, 1_682, 100_000, 5, 1
"""As large as MovieLens-100K."""
GPU_USERS, GPU_ITEMS, GPU_ROWS, GPU_BATCH = 138_493, 26_744, 20_000_000, 2**17
"""As large as MovieLens-20M, on which NCF is compared on GPUs; and the positives of a batch there."""
PUBLISHED = "NVIDIA's NeuMF on one A100, mixed precision, MovieLens-20M, as published: 34,000,000 samples/s"
SAMPLES = 1 + CONFIG.negatives
PART, SMALL_PART = 20_000, 5_000
"""Interactions that a tutorial's loop learns from in a round, and the slowest one; ours takes all."""


def made_up(n_users: int, n_items: int, n_rows: int) -> tuple[Ints, Ints]:
    """Some items are popular; users in order. Nothing can be learned from it, which takes the same time."""
    draw = np.random.default_rng(0)
    user = np.sort(draw.integers(0, n_users, n_rows))
    return user, (n_items * draw.random(n_rows) ** 2).astype(np.int64)


def loss_of(module: NeuMFModule, user: Ints, item: Ints, device: torch.device) -> PairLoss:
    return PairLoss(module, torch.from_numpy(user).to(device), torch.from_numpy(item).to(device))


def check(user: Ints, item: Ints) -> str:
    """Same weights, same batch: same loss, and the same gradients once they are laid out alike."""
    shape = (N_USERS, N_ITEMS)
    tutorial = Tutorial(ListRows, user, item, shape)
    for parameter in tutorial.network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours, gradients = (NeuMFModule(CONFIG, N_USERS, np.ones(N_ITEMS, dtype=bool)) for _ in range(2))
    tutorial.network.into(ours)
    users, items, labels = next(iter(tutorial.loader()))
    F.binary_cross_entropy_with_logits(tutorial.network(users, items), labels.float()).backward()
    theirs = F.binary_cross_entropy_with_logits(tutorial.network(users, items), labels.float()).item()
    logits = ours.pairs(users, items[:, None]).squeeze(1)
    loss = torch.where(labels > 0, F.softplus(-logits), F.softplus(logits)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in tutorial.network.parameters():
        parameter.data = parameter.grad
    for parameter in gradients.parameters():
        torch.nn.init.zeros_(parameter)
    tutorial.network.into(gradients)
    pairs = zip(ours.parameters(), gradients.parameters(), strict=True)
    furthest = max((mine.grad - other).abs().max().item() for mine, other in pairs if mine.grad is not None)
    apart = abs(loss.item() - theirs)
    if max(apart, furthest) > 1e-5:
        raise SystemExit(f"the sides don't compute the same: losses differ by {apart}, gradients by {furthest}")
    return f"same weights and batch: losses differ by {apart:.0e}, gradients by {furthest:.0e} at most"


def our_epoch(
    user: Ints, item: Ints, shape: tuple[int, int], schedule: Schedule, device: torch.device
) -> Callable[[], None]:
    """What `NeuMF.fit` does in an epoch."""
    module = NeuMFModule(CONFIG, shape[0], np.ones(shape[1], dtype=bool)).to(device)
    loss, rows = loss_of(module, user, item, device), torch.arange(len(item), device=device)
    return lambda: void(fit_epochs(module, rows, loss, schedule, FitContext(), model="neumf"))


def our_batches(
    user: Ints, item: Ints, shape: tuple[int, int], schedule: Schedule, device: torch.device
) -> Callable[[], None]:
    """The sampler alone: negatives of an epoch, its order, and the numbers of each batch."""
    loss = loss_of(NeuMFModule(CONFIG, shape[0], np.ones(shape[1], dtype=bool)).to(device), user, item, device)
    draws = torch.Generator(device)

    def feed() -> None:
        loss.draw(draws)
        order = torch.randperm(len(item), generator=draws, device=device)
        for rows in order.split(schedule.batch_size):
            loss.gather(rows)

    return feed


def void(_: object) -> None:
    """Drop a result."""


def speed(work: Callable[[], None], samples: int, device: torch.device) -> Callable[[], float]:
    """Samples a second: of the one thread, as the clock would have it if nothing else ran; with a GPU by the clock."""

    def measure() -> float:
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return samples / (clock() - start)

    return measure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    device = torch.device(parser.parse_args().device)
    gpu = device.type == "cuda"
    torch.set_num_threads(THREADS)
    shape, n_rows = ((GPU_USERS, GPU_ITEMS), GPU_ROWS) if gpu else ((N_USERS, N_ITEMS), N_ROWS)
    user, item = made_up(*shape, n_rows)
    schedule = CONFIG.model_copy(update={"epochs": 1, "batch_size": GPU_BATCH if gpu else CONFIG.batch_size})
    same = check(*made_up(N_USERS, N_ITEMS, SMALL_PART))
    print(same)

    whole = {"our fit": our_epoch, "our batches alone": our_batches}
    works = {
        name: speed(work(user, item, shape, schedule, device), n_rows * SAMPLES, device) for name, work in whole.items()
    }
    forms = {
        "DataLoader, tensors": TensorRows,
        "DataLoader, list of tuples": ListRows,
        "DataLoader, rows of a DataFrame": FrameRows,
    }
    tutorials = {}
    for name, rows in forms.items():
        part = slice(0, SMALL_PART if rows is FrameRows else PART)
        tutorials[name] = Tutorial(rows, user[part], item[part], shape)
        tutorials[name].network.to(device)
        works[name] = speed(tutorials[name].epoch, len(item[part]) * SAMPLES, device)
    batches = tutorials["DataLoader, tensors"]
    works["DataLoader's batches alone"] = speed(lambda: void(list(batches.loader())), PART * SAMPLES, device)
    works["our fit"](), works["our batches alone"]()  # the first time is slower
    measured = interleaved(works, ROUNDS)

    size = f"{n_rows:,} interactions, {shape[0]:,} users, {shape[1]:,} items, {THREADS} thread, {device}"
    for ours, theirs in (
        *(("our fit", name) for name in forms),
        ("our batches alone", "DataLoader's batches alone"),
    ):
        against = f"{theirs}, batch {BATCH}"
        compare(
            "NCF training" if ours == "our fit" else "NCF sampler",
            size,
            {ours: measured[ours], against: measured[theirs]},
            ours=ours,
            against=against,
            unit="samples/s",
            check=same,
            more_is_better=True,
        )
    if gpu:
        print(PUBLISHED)


if __name__ == "__main__":
    main()
