"""The result of an evaluation: one JSON for machines, one table for people, every figure with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recstack.evaluation.bootstrap import Interval, intervals, ratio
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.metrics import Doubles
from recstack.evaluation.ranking import Ranking
from recstack.models.base import Mask
from recstack.models.item_item import ItemItem
from recstack.models.popularity import Popularity
from recstack.splits import HELD_OUT_USERS

HEADLINE = "ndcg@10"
BASELINES = (Popularity.name, ItemItem.name)
TABLE_METRICS = (HEADLINE, "recall@10", "recall@20", "mrr", "hr@10", "coverage", "novelty", "popularity_bias")
HELD_OUT_METRICS = ("ndcg@100", "recall@20", "recall@50", "capped_recall@20", "capped_recall@50", HEADLINE, "coverage")
"""What papers on `held-out-users` report, then what is watched everywhere."""
RATING_METRICS = ("rmse", "mae", "user_rmse", "user_mae")
"""Of the models that predict ratings; see `evaluation.ratings`."""


@dataclass(frozen=True)
class Estimate:
    """A metric of one model: mean over users and training seeds, with its 95 % interval over users.

    Coverage belongs to all lists together and has no interval over users: its bounds are the range over the seeds.
    """

    mean: float
    ci_low: float
    ci_high: float
    per_seed: list[float]


Metrics = dict[str, Estimate]


@dataclass(frozen=True)
class Report:
    """All models on the same rankings."""

    dataset: str
    protocol: str
    n_users: int
    n_targets: int
    unhittable_share: float
    """Share of the targets that training never saw, which count as misses for every model."""
    models: dict[str, Metrics]
    slices: dict[str, dict[str, Metrics]]
    """The same by slice of the rankings; an empty slice is left out."""
    slice_sizes: dict[str, int]
    """Rankings in each slice."""
    ratios: dict[str, Interval]
    """NDCG@10 of each model over the best baseline's, paired by user; absent without a baseline above 0."""
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and numbers, for `json.dumps`; all are finite."""
        return asdict(self)

    def table(self) -> str:
        """Markdown, best NDCG@10 first."""
        order = sorted(self.models, key=lambda name: -self.models[name][HEADLINE].mean)
        metrics = HELD_OUT_METRICS if self.protocol == HELD_OUT_USERS else TABLE_METRICS
        shown = [metric for metric in metrics if metric in self.models[order[0]]]
        header = ["model", *shown, *(["ndcg@10 / best baseline"] if self.ratios else []), "seconds"]
        rows = [header, ["---"] * len(header)]
        for name in order:
            figures = [self.models[name][metric] for metric in shown]
            row = [name, *(f"{_number(f.mean)} [{_number(f.ci_low)}, {_number(f.ci_high)}]" for f in figures)]
            if name in self.ratios:
                against = self.ratios[name]
                row.append(f"{against.mean:.2f} [{against.low:.2f}, {against.high:.2f}]")
            rows.append([*row, f"{self.seconds.get(name, float('nan')):.1f}"])
        title = (
            f"{self.dataset}, {self.protocol}: {self.n_users:,} users, {self.n_targets:,} targets"
            f" ({self.unhittable_share:.1%} can't be hit); mean over users [95 % interval]"
        )
        return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows), *self._ratings_table()])

    def _ratings_table(self) -> list[str]:
        """Lines of a second table, smallest RMSE first, if a model predicts ratings."""
        rated = [name for name, metrics in self.models.items() if RATING_METRICS[0] in metrics]
        if not rated:
            return []
        rows = [["ratings", *RATING_METRICS], ["---"] * (1 + len(RATING_METRICS))]
        for name in sorted(rated, key=lambda name: self.models[name][RATING_METRICS[0]].mean):
            figures = [self.models[name][metric] for metric in RATING_METRICS]
            rows.append([name, *(f"{_number(f.mean)} [{_number(f.ci_low)}, {_number(f.ci_high)}]" for f in figures)])
        return ["", *(f"| {' | '.join(row)} |" for row in rows)]


def report(
    dataset: str,
    cases: EvaluationSet,
    rankings: Mapping[str, Sequence[Ranking]],
    seconds: Mapping[str, float],
    ratings: Mapping[str, Metrics] | None = None,
) -> Report:
    """Summarise what models answered to the same cases.

    Args:
        dataset: its name.
        cases: the rankings asked for.
        rankings: by model name, one `Ranking` for each training seed.
        seconds: by model name, time spent.
        ratings: by name of the models that predict ratings, `rating_metrics` of them.
    """
    everything = np.ones(len(cases), dtype=bool)
    slices = {
        name: {model: _estimates(cases, runs, mask) for model, runs in rankings.items()}
        for name, mask in cases.slices.items()
        if mask.any()
    }
    models = {}
    for model, runs in rankings.items():
        shares = [run.coverage for run in runs if run.coverage is not None]
        models[model] = _estimates(cases, runs, everything)
        if shares:
            models[model]["coverage"] = _range(shares)
        models[model] |= (ratings or {}).get(model, {})

    return Report(
        dataset=dataset,
        protocol=cases.protocol,
        n_users=cases.n_users,
        n_targets=cases.n_targets,
        unhittable_share=cases.unhittable_share,
        models=models,
        slices=slices,
        slice_sizes={name: int(mask.sum()) for name, mask in cases.slices.items()},
        ratios=_ratios(cases, rankings),
        seconds=dict(seconds),
    )


def per_user(cases: EvaluationSet, runs: Sequence[Ranking], metric: str) -> Doubles:
    """[U] a metric by user, averaged over training seeds: what `bootstrap.difference` compares."""
    return user_means(np.mean([run.values[metric] for run in runs], axis=0), cases.user_ids)


def _estimates(cases: EvaluationSet, runs: Sequence[Ranking], mask: Mask) -> Metrics:
    names = list(runs[0].values)
    # [seeds, users, metrics]
    by_user = np.stack(
        [user_means(np.stack([run.values[n][mask] for n in names], axis=1), cases.user_ids[mask]) for run in runs]
    )
    per_seed = by_user.mean(axis=1)
    return {
        name: Estimate(each.mean, each.low, each.high, per_seed[:, column].tolist())
        for column, (name, each) in enumerate(zip(names, intervals(by_user.mean(axis=0)), strict=True))
    }


def _range(shares: list[float]) -> Estimate:
    """The mean of equal numbers can lie beside them by rounding."""
    low, high = min(shares), max(shares)
    return Estimate(min(max(float(np.mean(shares)), low), high), low, high, shares)


def _ratios(cases: EvaluationSet, rankings: Mapping[str, Sequence[Ranking]]) -> dict[str, Interval]:
    users = {name: per_user(cases, runs, HEADLINE) for name, runs in rankings.items()}
    baselines = [name for name in BASELINES if name in users]
    best = max(baselines, key=lambda name: users[name].mean(), default=None)
    if best is None:
        return {}
    found = {name: ratio(values, users[best]) for name, values in users.items()}
    return {name: each for name, each in found.items() if np.isfinite([each.low, each.mean, each.high]).all()}


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
