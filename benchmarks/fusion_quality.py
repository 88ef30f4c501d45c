"""NDCG@10 of `fusion` against what a good engineer has in an afternoon: a sum of its best sources, and tuned EASE.

python benchmarks/fusion_quality.py [--dataset movielens_25m --data FOLDER] [--seeds 3]
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from scipy import sparse

from recstack.data.splits import TRAIN, VALIDATION
from recstack.evaluation.bootstrap import Interval, ratio
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import ndcg, user_ndcg
from recstack.experiments.config import ExperimentConfig
from recstack.experiments.prepare import prepare
from recstack.features.arrays import Doubles, Floats, Mask
from recstack.features.batches import UserBatch
from recstack.models.base import FitContext
from recstack.models.ease.model import Ease
from recstack.models.fusion.model import Fusion
from recstack.models.fusion.sources.co_occurrence import CoOccurrence, Side
from recstack.models.fusion.sources.ease import EaseRelations
from recstack.models.fusion.sources.popular import trending
from recstack.models.fusion.stacking import past_of
from recstack.models.learning.history import decay_weights
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData
from recstack.settings import Settings

REGULARISATIONS = (30.0, 100.0, 300.0, 1000.0)
RECENCY_POWERS = (0.5, 1.0, 1.5)
NEIGHBOURS = 300
FOLLOWS, POPULAR = (0.25, 0.5, 1.0), (0.1, 0.3)
"""Weights of what follows the newest items, and of popularity; EASE weighs 1."""


class Sum(Popularity):
    """Recency-weighted EASE, what follows the newest items, and recent popularity, each over the user's best item."""

    ease: sparse.csr_array
    follows: sparse.csr_array
    now: Floats
    weights: tuple[float, float, float]

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]."""
        n_items = len(self.counts)
        sources = (
            (decay_weights(users, n_items, 0.8, 0.05) @ self.ease).toarray(),
            (decay_weights(users, n_items, 0.5) @ self.follows).toarray(),
            self.now[None],
        )
        total = np.zeros(allowed.shape, dtype=np.float32)
        for weight, scores in zip(self.weights, sources, strict=True):
            scores = np.where(allowed, scores.clip(min=0), 0.0)
            total += weight * scores / scores.max(axis=1, keepdims=True).clip(min=1e-9)
        return np.where(allowed, total, np.float32(-np.inf))


def summed(data: TrainingData, regularisation: float, follows: float, popular: float) -> Sum:
    past = past_of(data, np.ones(len(data.item), dtype=bool))
    model = Sum(past.counts)
    (model.ease,) = EaseRelations({"ease": regularisation}).learn(past, NEIGHBOURS)
    (model.follows,) = CoOccurrence({"next": Side("forward")}, window=1).learn(past, NEIGHBOURS)
    model.now = np.exp(trending(past, 0.02))
    model.weights = (1.0, follows, popular)
    return model


def ease(data: TrainingData, regularisation: float, recency_power: float) -> Ease:
    return Ease.fit(data, FitContext(options={"regularisation": regularisation, "recency_power": recency_power}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="movielens_100k")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    experiment = prepare(Settings(dataset=arguments.dataset), ExperimentConfig(arguments.data))
    before, data = experiment.data((TRAIN,)), experiment.data((TRAIN, VALIDATION))
    validation, test = experiment.cases("validation"), experiment.cases("test")

    baselines = {
        "ease, as published": (ease, list(product(REGULARISATIONS, (0.0,)))),
        "ease, older items weigh less": (ease, list(product(REGULARISATIONS, RECENCY_POWERS))),
        "sum": (summed, list(product(REGULARISATIONS, FOLLOWS, POPULAR))),
    }
    fused = _over_seeds(data, test, arguments.seeds)
    print(f"fusion, {arguments.seeds} seeds: test NDCG@10 {fused.mean():.4f}")
    for name, (fit, options) in baselines.items():
        tried = [ndcg(fit(before, *option), validation) for option in options]
        best = options[int(np.argmax(tried))]
        theirs = user_ndcg(fit(data, *best), test)
        print(f"{name} {best}, the best of {len(options)} on validation: test NDCG@10 {theirs.mean():.4f}")
        print(f"  fusion : {name} {_ratio(ratio(fused, theirs))}")


def _over_seeds(data: TrainingData, cases: EvaluationSet, seeds: int) -> Doubles:
    return np.mean([user_ndcg(Fusion.fit(data, FitContext(seed=seed)), cases) for seed in range(seeds)], axis=0)


def _ratio(found: Interval) -> str:
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
