"""The result of an evaluation: estimates by model and slice, and which differences are beyond noise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from recstack.data.splits import HELD_OUT_USERS
from recstack.errors import choose
from recstack.evaluation.bootstrap import Interval, difference, ratio
from recstack.evaluation.estimates import Metrics, Rankings, estimate_all, estimate_rankings, estimate_targets
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.ranking import Ranking
from recstack.evaluation.staleness import FRESH, STALENESS, AtStaleness, figures
from recstack.features.arrays import Doubles

HEADLINE = "ndcg@10"
BASELINES = ("popularity", "item_item", "ease", "als")
"""Models that a new one has to beat."""
ACCURACY = (HEADLINE, "recall@10", "recall@20", "mrr", "hr@10")
HELD_OUT_ACCURACY = ("ndcg@100", "recall@20", "recall@50", "capped_recall@20", "capped_recall@50", HEADLINE)
"""The metrics of papers on `held-out-users`, then the headline of all other protocols."""
LIST_METRICS = ("coverage", "novelty", "popularity_bias", "diversity", "miscalibration")
"""Properties of the recommended lists, apart from accuracy."""
RATING_METRICS = ("rmse", "mae", "user_rmse", "user_mae")
"""Of the models that predict ratings; see `evaluation.ratings`."""

Curve = list[dict[str, float]]
"""Metrics after each epoch."""


@dataclass(frozen=True)
class Report:
    """All models on the same rankings."""

    dataset: str
    protocol: str
    positive_from: float | None
    """Lowest rating of a target and of a training row; None where every interaction counts."""
    n_users: int
    n_targets: int
    unhittable_share: float
    """Share of the targets that are not in training; they count as misses for every model."""
    n_repeated: int
    """Interactions that are no targets, since their users had chosen the item before: seen items are not ranked."""
    n_part_users: int
    """Users with targets in the part; where they are more than `n_users`, these were drawn from them."""
    n_part_targets: int
    """Their targets; where they are more than `n_targets`, these were drawn from them."""
    models: dict[str, Metrics]
    slices: dict[str, dict[str, Metrics]]
    """Metrics by slice and model; empty slices are left out. Slices of targets have the metrics `TARGET_METRICS`."""
    slice_sizes: dict[str, int]
    """Number of rankings in the slices "warm" and "cold", of targets in the others."""
    baseline: str | None
    """The best of the compared `BASELINES`; None where none was compared or its NDCG@10 is 0."""
    ratios: dict[str, Interval]
    """NDCG@10 of each model / that of the baseline, paired by user; without a baseline there are none."""
    reference: str
    """The model that the others are compared with."""
    differences: dict[str, Interval]
    """NDCG@10 of each other model minus the reference's, paired by user."""
    curves: dict[str, Curve]
    """Learning curve of each model that is trained in epochs."""
    seconds: dict[str, float]
    """Time that each model took to fit and rank, all seeds together."""
    staleness: str = FRESH
    """How old histories are in all other figures, a name of `STALENESS`: as old as in the training rows."""
    by_staleness: dict[str, AtStaleness] = field(default_factory=dict)
    """Figures side by side for histories of several ages, freshest first; empty where no other age was asked for."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain dictionaries and finite numbers, for `json.dumps`."""
        return asdict(self)

    @property
    def ordered(self) -> list[str]:
        """Names of the models, best NDCG@10 first."""
        return sorted(self.models, key=lambda name: -self.models[name][HEADLINE].mean)

    @property
    def accuracy(self) -> list[str]:
        """Metrics of the accuracy table."""
        return list(HELD_OUT_ACCURACY if self.protocol == HELD_OUT_USERS else ACCURACY)

    @property
    def list_metrics(self) -> list[str]:
        """Metrics of the recommended lists; none with sampled candidates."""
        return [metric for metric in LIST_METRICS if metric in next(iter(self.models.values()))]

    @property
    def task(self) -> str:
        """Dataset, protocol, target and age of histories: figures of different tasks can't be compared."""
        target = "" if self.positive_from is None else f", positives rated {self.positive_from:g} or more"
        age = "" if self.staleness == FRESH else f", histories {self.staleness} old"
        return f"{self.dataset}, {self.protocol}{target}{age}"


def build_report(
    dataset: str,
    cases: EvaluationSet,
    rankings: Rankings,
    seconds: Mapping[str, float],
    reference: str | None = None,
    curves: Mapping[str, Curve] | None = None,
    ratings: Mapping[str, Metrics] | None = None,
    staleness: str = FRESH,
    other_ages: Mapping[str, AtStaleness] | None = None,
) -> Report:
    """Summarise the results of several models on one evaluation set.

    Args:
        dataset: its name.
        cases: the evaluation set.
        rankings: by model name, one `Ranking` for each training seed.
        seconds: by model name, time to fit and rank.
        reference: the model to compare the others with; None takes the one with the best NDCG@10.
        curves: learning curves, by name of the models that are trained in epochs.
        ratings: `rating_metrics`, by name of the models that predict ratings.
        staleness: how old the histories are in `cases`.
        other_ages: figures of the same models with histories of other ages.

    Raises:
        UserError: the reference is not among the models.
    """
    models = estimate_all(cases, rankings)
    models = {name: metrics | (ratings or {}).get(name, {}) for name, metrics in models.items()}
    if reference is None:
        reference = max(models, key=lambda name: models[name][HEADLINE].mean)
    choose("reference", reference, models)
    users = {name: per_user(cases, runs, HEADLINE) for name, runs in rankings.items()}
    baseline = max((name for name in BASELINES if name in users), key=lambda name: users[name].mean(), default=None)
    ratios = {} if baseline is None else {name: ratio(values, users[baseline]) for name, values in users.items()}
    finite = {name: each for name, each in ratios.items() if np.isfinite([each.low, each.mean, each.high]).all()}
    masks = {**cases.slices, **cases.target_slices}
    slices = {name: estimate_rankings(cases, rankings, mask) for name, mask in cases.slices.items() if mask.any()}
    return Report(
        dataset=dataset,
        protocol=cases.protocol,
        positive_from=cases.positive_from,
        n_users=cases.n_users,
        n_targets=cases.n_targets,
        unhittable_share=cases.unhittable_share,
        n_repeated=cases.n_repeated,
        n_part_users=cases.n_part_users,
        n_part_targets=cases.n_part_targets,
        models=models,
        slices={
            **slices,
            **{name: estimate_targets(cases, rankings, mask) for name, mask in cases.target_slices.items()},
        },
        slice_sizes={name: int(mask.sum()) for name, mask in masks.items()},
        baseline=baseline if finite else None,
        ratios=finite,
        reference=reference,
        differences={name: difference(each, users[reference]) for name, each in users.items() if name != reference},
        curves={name: [_finite(epoch) for epoch in epochs] for name, epochs in (curves or {}).items()},
        seconds=dict(seconds),
        staleness=staleness,
        by_staleness=_by_staleness(cases, rankings, staleness, other_ages or {}),
    )


def _by_staleness(
    cases: EvaluationSet, rankings: Rankings, staleness: str, other_ages: Mapping[str, AtStaleness]
) -> dict[str, AtStaleness]:
    """The report's own figures among those of the other ages, freshest first."""
    if not other_ages:
        return {}
    ndcg = {name: [user_means(run.values[HEADLINE], cases.user_ids) for run in runs] for name, runs in rankings.items()}
    ages = {**other_ages, staleness: figures(cases, ndcg)}
    return {age: ages[age] for age in STALENESS if age in ages}


def _finite(epoch: Mapping[str, float]) -> dict[str, float]:
    """The finite metrics of an epoch: an infinite loss leaves a gap in the curve and must not break the report."""
    return {name: value for name, value in epoch.items() if np.isfinite(value)}


def per_user(cases: EvaluationSet, runs: Sequence[Ranking], metric: str) -> Doubles:
    """[U] a metric by user, averaged over training seeds, for `bootstrap.difference`."""
    return user_means(np.mean([run.values[metric] for run in runs], axis=0), cases.user_ids)
