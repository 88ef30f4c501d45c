"""Estimates each metric of each model, with a 95 % interval: over all rankings, and slice by slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recstack.evaluation.bootstrap import intervals
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.metrics import ranking_metrics
from recstack.evaluation.ranking import Ranking
from recstack.features.arrays import Doubles, Ints, Mask

TARGET_METRICS = ("recall@10", "recall@20", "recall@50", "hr@10")
"""Metrics of a slice of targets. The others describe whole rankings, not single targets."""

Rankings = Mapping[str, Sequence[Ranking]]
"""By model name, one `Ranking` for each training seed."""


@dataclass(frozen=True)
class Estimate:
    """A metric of one model: mean over users and training seeds, with its 95 % interval over users.

    Coverage is a property of all lists together and has no interval over users: its bounds are the range over seeds.
    """

    mean: float
    ci_low: float
    ci_high: float
    per_seed: list[float]


Metrics = dict[str, Estimate]


def estimate_all(cases: EvaluationSet, rankings: Rankings) -> dict[str, Metrics]:
    """By model, over all rankings."""
    found = _estimate({model: [run.values for run in runs] for model, runs in rankings.items()}, cases.user_ids)
    for model, runs in rankings.items():
        if shares := [run.coverage for run in runs if run.coverage is not None]:
            found[model]["coverage"] = _range(shares)
    return found


def estimate_rankings(cases: EvaluationSet, rankings: Rankings, mask: Mask) -> dict[str, Metrics]:
    """By model, over the rankings in a [N] mask."""
    values = {
        model: [{name: each[mask] for name, each in run.values.items()} for run in runs]
        for model, runs in rankings.items()
    }
    return _estimate(values, cases.user_ids[mask])


def estimate_targets(cases: EvaluationSet, rankings: Rankings, mask: Mask) -> dict[str, Metrics]:
    """`TARGET_METRICS` by model, over the relevant items in a [P] mask alone."""
    offsets, user_ids = cases.of_targets(mask)
    values = {}
    for model, runs in rankings.items():
        every = [ranking_metrics(run.ranks[mask], offsets) for run in runs]
        values[model] = [{name: each[name] for name in TARGET_METRICS} for each in every]
    return _estimate(values, user_ids)


def _estimate(values: Mapping[str, Sequence[Mapping[str, Doubles]]], user_ids: Ints) -> dict[str, Metrics]:
    """Estimates from [N] values of each metric, by model and seed; all share the same bootstrap resamples."""
    names = [(model, metric) for model, runs in values.items() for metric in runs[0]]
    by_user = {}  # [seeds, U]
    for model, runs in values.items():
        tables = [user_means(np.stack(list(run.values()), axis=1), user_ids) for run in runs]
        for column, metric in enumerate(runs[0]):
            by_user[model, metric] = np.stack([table[:, column] for table in tables])
    found: dict[str, Metrics] = {model: {} for model in values}
    means = np.stack([by_user[name].mean(axis=0) for name in names], axis=1)
    for (model, metric), each in zip(names, intervals(means), strict=True):
        per_seed = by_user[model, metric].mean(axis=1).tolist()
        found[model][metric] = Estimate(each.mean, each.low, each.high, per_seed)
    return found


def _range(shares: list[float]) -> Estimate:
    """Mean and range; clipped, because rounding can put the mean of equal numbers outside of them."""
    low, high = min(shares), max(shares)
    return Estimate(min(max(float(np.mean(shares)), low), high), low, high, shares)
