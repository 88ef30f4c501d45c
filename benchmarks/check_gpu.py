"""Trains the networks on the GPU and on the CPU of this machine, and compares losses and speed; see README.md.

`make check-gpu` needs no data and no network, and ends within eight minutes. Without a GPU it trains on the CPU alone.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.profiler import ProfilerActivity, profile

from recstack import columns as c
from recstack.features import spec
from recstack.features.encode import Encoder
from recstack.features.interaction_log import InteractionLog
from recstack.features.item_genres import ItemGenres
from recstack.features.users_as_of import UsersAsOf, in_memory
from recstack.models import models
from recstack.models.base import Epoch, FitContext
from recstack.models.fusion.network import Config as FusionConfig
from recstack.models.fusion.network import FusionRanker, train_ranker
from recstack.models.fusion.stacking import RankerExamples
from recstack.models.training_data import TrainingData
from recstack.settings import LIBRARIES

PUBLISHED = 34e6
"""Samples a second of NeuMF on one A100 with batches of a million: NVIDIA's Deep Learning Examples."""
TOLERANCE = 0.03
"""By which the last losses may differ, relatively: mixed precision and other random draws."""
EPOCHS = 3
N_USERS, N_ITEMS, N_GENRES, EACH = 1_000, 2_000, 20, 50
EXAMPLES, CANDIDATES, INPUTS, CONTEXT = 12_000, 25, 33, 8
RANKER = "fusion's ranker"


@dataclass(frozen=True)
class Measured:
    """One model on one device."""

    device: str
    losses: list[float]
    """After each epoch."""
    samples_a_second: float
    """Of all epochs but the first, which pays for the start."""
    waiting: float | None
    """Share of the time in which the GPU computes nothing; None on a CPU."""


def made_up() -> TrainingData:
    """Users who take items of one favourite genre, oldest first, with their features as of each row."""
    draw = np.random.default_rng(0)
    user = np.repeat(np.arange(N_USERS), EACH)
    genre = np.where(draw.random(len(user)) < 0.7, user % N_GENRES, draw.integers(0, N_GENRES, len(user)))
    item = (N_ITEMS // N_GENRES * draw.random(len(user)) ** 2).astype(np.int64) * N_GENRES + genre
    once = np.sort(np.unique(user * N_ITEMS + item, return_index=True)[1])
    user, item = user[once], item[once]
    second = 86_400 * (1 + np.arange(len(user)) - np.searchsorted(user, user))
    rating = draw.integers(1, 6, len(user)).astype(np.float32)
    times = pa.array(second * 1_000_000, pa.timestamp("us", tz="UTC"))
    log = InteractionLog.of(pa.table({c.USER_ID: user, c.ITEM_ID: item, c.RATING: rating, c.TIMESTAMP: times}))
    ids = np.arange(N_ITEMS)
    genres = ItemGenres(ids, np.arange(N_ITEMS + 1), ids % N_GENRES, N_GENRES)
    counts = np.bincount(item, minlength=N_ITEMS)
    facts: dict[str, Any] = {c.GENRE_INDICES: [[each] for each in (ids % N_GENRES).tolist()]}
    facts |= dict.fromkeys(spec.POPULARITIES, counts)
    rows = {f.name: pa.array(facts.get(f.name, [None] * N_ITEMS), f.type) for f in spec.schema("item")}
    items = pa.table({c.ITEM_ID: ids, **rows})
    known = log.before(user, second)
    some = np.arange(0, len(user), 10)
    words = tuple(f"genre {number}" for number in range(N_GENRES))
    encoder = Encoder.fit(known.features(some, genres), second[some], items, words)
    encoded = encoder.items(items)
    return TrainingData(
        encoder=encoder,
        items=encoded,
        user=user,
        item=item,
        rating=rating,
        timestamp=second,
        users=in_memory(UsersAsOf(known, genres, encoder, user, second)),
        popularity=encoded.popularity[None],
        snapshot=np.zeros(len(user), dtype=np.int64),
        eligible=np.ones(len(user), dtype=bool),
    )


def fit_ranker(context: FitContext) -> int:
    """Train the ranker of `fusion` on made-up examples; their number."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(EXAMPLES, CANDIDATES, INPUTS)).astype(np.float32)
    inputs[:, 0, 0] += 1.0  # what the chosen item can be told by
    users, alive = draw.normal(size=(EXAMPLES, CONTEXT)), np.ones((EXAMPLES, CANDIDATES), dtype=bool)
    examples = [RankerExamples(inputs, alive, users.astype(np.float32), np.ones(EXAMPLES, dtype=np.float32))]
    config = FusionConfig(epochs=EPOCHS)
    train_ranker(FusionRanker(INPUTS, CONTEXT, config.hidden, config.dropout), examples, config, context)
    return EXAMPLES


def fit_model(name: str, options: dict[str, Any], data: TrainingData) -> Callable[[FitContext], int]:
    """A function that trains the model and returns its samples an epoch: rows, with their negatives for NeuMF."""

    def fit(context: FitContext) -> int:
        fitted = models()[name].fit(
            data, FitContext(context.seed, {"epochs": EPOCHS, **options}, None, context.on_epoch)
        )
        negatives = getattr(getattr(fitted, "config", None), "negatives", 0) if name == "neumf" else 0
        return len(data.item) * (1 + negatives)

    return fit


def measure(fit: Callable[[FitContext], int]) -> Measured:
    """Train once for losses and speed, and on a GPU once more under the profiler."""
    losses, ends = [], []

    def note(epoch: Epoch) -> None:
        losses.append(epoch.metrics["loss"])
        ends.append(time.perf_counter())

    samples = fit(FitContext(on_epoch=note))
    speed = samples * (len(ends) - 1) / (ends[-1] - ends[0])
    if not torch.cuda.is_available():
        return Measured(f"CPU, {torch.get_num_threads()} threads", losses, speed, None)
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        start = time.perf_counter()
        fit(FitContext())
        torch.cuda.synchronize()
        wall = time.perf_counter() - start
    busy = sum(event.self_device_time_total for event in found.key_averages()) / 1e6
    return Measured(torch.cuda.get_device_name(), losses, speed, max(0.0, 1 - busy / wall))


CASES: dict[str, dict[str, Any]] = {
    "genre_ncf": {},
    "neumf": {},
    "neumf, batches of 65,536": {"batch_size": 65_536, "learning_rate": 2e-2},
    "sasrec": {},
    RANKER: {},
}


def run_one(case: str) -> Measured:
    """Train one case on the device that this process sees."""
    if case == RANKER:
        return measure(fit_ranker)
    return measure(fit_model(case.split(",")[0], CASES[case], made_up()))


def in_own_process(case: str, gpu: bool) -> Measured:
    """The same in a process that sees the GPU, or none."""
    environment = {**LIBRARIES, **os.environ, **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""})}
    done = subprocess.run([sys.executable, __file__, "--case", case], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{case}: {done.stderr}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def show(case: str, found: Sequence[Measured]) -> bool:
    """Print a case; whether the devices learn the same."""
    for each in found:
        curve = " ".join(f"{loss:.4f}" for loss in each.losses)
        waiting = "" if each.waiting is None else f", the GPU waits {each.waiting:.0%} of the time"
        print(f"  {each.device}: loss {curve}; {each.samples_a_second:,.0f} samples/s{waiting}", flush=True)
    if case.startswith("neumf"):
        print(f"  published, A100, batches of a million: {PUBLISHED:,.0f} samples/s")
    first, last = found[0].losses[-1], found[-1].losses[-1]
    same = abs(first - last) <= TOLERANCE * abs(first)
    if not same:
        print(f"  DIFFERENT: the last losses differ by more than {TOLERANCE:.0%}")
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, help="train this one alone and print JSON")
    case = parser.parse_args().case
    if case is not None:
        print(json.dumps(asdict(run_one(case))))
        return
    gpu = torch.cuda.is_available()
    if not gpu:
        print("This machine has no GPU that PyTorch can use: what follows ran on the CPU alone.")
    same = []
    for name in CASES:
        print(name, flush=True)
        same.append(show(name, [in_own_process(name, gpu=False), *([in_own_process(name, gpu=True)] if gpu else [])]))
    if not all(same):
        sys.exit("the GPU learns something else than the CPU")


if __name__ == "__main__":
    main()
