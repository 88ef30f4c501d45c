"""Seconds of training until the same NCF ranks as well: our fit against a tutorial's loop, on MovieLens-100K.

NDCG@10 on the validation part of `leave-last-out-99`, the NCF paper's protocol. A round is a seed. The target was fixed
before any ratio was seen: 98 % of the best that the tutorial's loop reaches in eight epochs of that round.
"""

import random
import time
from collections.abc import Callable

import numpy as np
import torch
from ncf_tutorial import BATCH, CONFIG, ListRows, Tutorial
from side_by_side import compare, interleaved

from recstack.data.splits import LEAVE_LAST_OUT_99, TRAIN
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import ndcg
from recstack.experiments.config import ExperimentConfig
from recstack.experiments.prepare import prepare
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.neumf.model import NeuMF
from recstack.models.neumf.network import NeuMFModule
from recstack.models.training_data import TrainingData
from recstack.settings import Settings

EPOCHS, SHARE, ROUNDS, THREADS = 8, 0.98, 3, 1

Curve = list[tuple[float, float]]
"""Seconds of training so far and NDCG@10, an epoch each; evaluation stops the clock.

CPU seconds of the one thread: what the clock would say if nothing else ran."""


def tutorial_curve(data: TrainingData, cases: EvaluationSet, seed: int) -> Curve:
    torch.manual_seed(seed)
    random.seed(seed)
    user_ids, user = np.unique(data.users.ids, return_inverse=True)
    shape = (len(user_ids), len(data.items))
    tutorial = Tutorial(ListRows, user, data.item, shape)
    module = NeuMFModule(CONFIG, len(user_ids), np.ones(len(data.items), dtype=bool))
    curve: Curve = []
    spent = 0.0
    for _ in range(EPOCHS):
        start = time.process_time()
        tutorial.epoch()
        spent += time.process_time() - start
        tutorial.network.into(module)
        curve.append((spent, ndcg(NeuMF(module, user_ids), cases)))
    return curve


def our_curve(data: TrainingData, cases: EvaluationSet, seed: int, target: float) -> Curve:
    """As `recstack train` fits it, until the target is reached."""
    curve: Curve = []
    spent, start = 0.0, time.process_time()

    def validate(model: Recommender) -> float:
        nonlocal spent, start
        spent += time.process_time() - start
        value = ndcg(model, cases)
        start = time.process_time()
        return value

    class ReachedError(Exception):
        """Ends the fit."""

    def on_epoch(epoch: Epoch) -> None:
        curve.append((spent, epoch.metrics["validation_ndcg@10"]))
        if curve[-1][1] >= target:
            raise ReachedError

    try:
        NeuMF.fit(data, FitContext(seed=seed, validate=validate, on_epoch=on_epoch))
    except ReachedError:
        return curve
    raise SystemExit(f"our fit does not reach {target:.4f}: {curve}")


def seconds_to(curve: Curve, target: float) -> float:
    return next(seconds for seconds, value in curve if value >= target)


def main() -> None:
    torch.set_num_threads(THREADS)
    experiment = prepare(Settings(dataset="movielens_100k"), ExperimentConfig(protocol=LEAVE_LAST_OUT_99))
    data, cases = experiment.data((TRAIN,)), experiment.cases("validation")
    seeds = {"tutorial": iter(range(ROUNDS)), "ours": iter(range(ROUNDS))}
    targets: list[float] = []

    def tutorial() -> float:
        curve = tutorial_curve(data, cases, next(seeds["tutorial"]))
        targets.append(SHARE * max(value for _, value in curve))
        print("tutorial:", ", ".join(f"{value:.3f} after {seconds:.1f} s" for seconds, value in curve), flush=True)
        return seconds_to(curve, targets[-1])

    def ours() -> float:
        curve = our_curve(data, cases, next(seeds["ours"]), targets[-1])
        print("ours:", ", ".join(f"{value:.3f} after {seconds:.1f} s" for seconds, value in curve), flush=True)
        return seconds_to(curve, targets[-1])

    against = f"DataLoader, list of tuples, batch {BATCH}"
    works: dict[str, Callable[[], float]] = {against: tutorial, "our fit": ours}
    measured = interleaved(works, ROUNDS)
    compare(
        "NCF, time to equal NDCG@10",
        f"MovieLens-100K, {len(data.item):,} interactions, {THREADS} thread",
        measured,
        ours="our fit",
        against=against,
        unit="s",
        check=f"NDCG@10 of at least {', '.join(f'{target:.3f}' for target in targets)} in both, a seed each",
    )


if __name__ == "__main__":
    main()
