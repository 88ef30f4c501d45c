"""The result of an evaluation: what each model reached, on which slices, and which differences are beyond noise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recstack.data.splits import HELD_OUT_USERS
from recstack.errors import choose
from recstack.evaluation.bootstrap import Interval, difference, ratio
from recstack.evaluation.estimates import Estimate, Metrics, Rankings, of_all, of_rankings, of_targets
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.ranking import Ranking
from recstack.features.arrays import Doubles

HEADLINE = "ndcg@10"
BASELINES = ("popularity", "item_item", "ease", "als")
"""Names of the models that any other has to beat."""
ACCURACY = (HEADLINE, "recall@10", "recall@20", "mrr", "hr@10")
HELD_OUT_ACCURACY = ("ndcg@100", "recall@20", "recall@50", "capped_recall@20", "capped_recall@50", HEADLINE)
"""What papers on `held-out-users` report, then what is watched everywhere."""
BREADTH = ("coverage", "novelty", "popularity_bias", "diversity", "miscalibration")
"""What the lists are like, whether or not they are right."""
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
    """Least rating of a target, and of what models learned from; None where every interaction counts."""
    n_users: int
    n_targets: int
    unhittable_share: float
    """Share of the targets that training never saw, which count as misses for every model."""
    models: dict[str, Metrics]
    slices: dict[str, dict[str, Metrics]]
    """The same by slice; an empty slice is left out. Slices of targets have the metrics of `TARGET_METRICS`."""
    slice_sizes: dict[str, int]
    """Rankings in the slices "warm" and "cold", targets in the others."""
    baseline: str | None
    """The best of `BASELINES` that was compared, if it found anything."""
    ratios: dict[str, Interval]
    """NDCG@10 of each model over the baseline's, paired by user; absent without a baseline above 0."""
    champion: str
    """The model that the others are compared with: the one that was named, else the best."""
    differences: dict[str, Interval]
    """NDCG@10 of each other model minus the champion's, paired by user."""
    curves: dict[str, Curve]
    """Of models that learn in epochs."""
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and numbers, for `json.dumps`; all are finite."""
        return asdict(self)

    @property
    def ordered(self) -> list[str]:
        """Names of the models, best NDCG@10 first."""
        return sorted(self.models, key=lambda name: -self.models[name][HEADLINE].mean)

    @property
    def accuracy(self) -> list[str]:
        """Metrics of the first table."""
        return list(HELD_OUT_ACCURACY if self.protocol == HELD_OUT_USERS else ACCURACY)

    @property
    def breadth(self) -> list[str]:
        """Metrics of the second table; none with sampled candidates."""
        return [metric for metric in BREADTH if metric in next(iter(self.models.values()))]

    @property
    def task(self) -> str:
        """Dataset, protocol and label: figures of different tasks can't be compared."""
        label = "" if self.positive_from is None else f", positives rated {self.positive_from:g} or more"
        return f"{self.dataset}, {self.protocol}{label}"

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        return (
            f"{self.task}: {self.n_users:,} users, {self.n_targets:,} targets"
            f" ({self.unhittable_share:.1%} can't be hit); mean over users [95 % interval]"
        )

    def table(self) -> str:
        """Markdown, best NDCG@10 first: accuracy and differences, then the breadth of the lists."""
        head = ["model", *self.accuracy]
        rows = [[name, *(cell(self.models[name][metric]) for metric in self.accuracy)] for name in self.ordered]
        if self.baseline is not None:
            head.append(f"{HEADLINE} / best baseline ({self.baseline})")
            for row in rows:
                row.append(_interval(self.ratios[row[0]], ".2f") if row[0] in self.ratios else "")
        if self.differences:
            head.append(f"{HEADLINE} - {self.champion}")
            for row in rows:
                against = self.differences.get(row[0])
                row.append(_interval(against, "+.4f") + " *" * against.beyond_noise if against else "")
        head.append("seconds")
        for row in rows:
            row.append(f"{self.seconds.get(row[0], float('nan')):.1f}")
        parts = [self.title, _markdown(head, rows)]
        if self.differences:
            parts.append("`*`: the difference is beyond noise, its paired 95 % interval leaves 0 out")
        if self.breadth:
            rows = [[name, *(cell(self.models[name][metric]) for metric in self.breadth)] for name in self.ordered]
            parts.append(_markdown(["model", *self.breadth], rows))
        if rated := [name for name, metrics in self.models.items() if RATING_METRICS[0] in metrics]:
            rated.sort(key=lambda name: self.models[name][RATING_METRICS[0]].mean)
            rows = [[name, *(cell(self.models[name][metric]) for metric in RATING_METRICS)] for name in rated]
            parts.append(_markdown(["ratings", *RATING_METRICS], rows))
        return "\n\n".join(parts)


def report(
    dataset: str,
    cases: EvaluationSet,
    rankings: Rankings,
    seconds: Mapping[str, float],
    champion: str | None = None,
    curves: Mapping[str, Curve] | None = None,
    ratings: Mapping[str, Metrics] | None = None,
) -> Report:
    """Summarise what models answered to the same cases.

    Args:
        dataset: its name.
        cases: the rankings asked for.
        rankings: by model name, one `Ranking` for each training seed.
        seconds: by model name, time spent.
        champion: the model to compare the others with; None takes the one with the best NDCG@10.
        curves: of models that learn in epochs.
        ratings: by name of the models that predict ratings, `rating_metrics` of them.

    Raises:
        UserError: the champion is not among the models.
    """
    models = of_all(cases, rankings)
    models = {name: metrics | (ratings or {}).get(name, {}) for name, metrics in models.items()}
    if champion is None:
        champion = max(models, key=lambda name: models[name][HEADLINE].mean)
    choose("compared model", champion, models)
    users = {name: per_user(cases, runs, HEADLINE) for name, runs in rankings.items()}
    baseline = max((name for name in BASELINES if name in users), key=lambda name: users[name].mean(), default=None)
    ratios = {} if baseline is None else {name: ratio(values, users[baseline]) for name, values in users.items()}
    finite = {name: each for name, each in ratios.items() if np.isfinite([each.low, each.mean, each.high]).all()}
    masks = {**cases.slices, **cases.target_slices}
    slices = {name: of_rankings(cases, rankings, mask) for name, mask in cases.slices.items() if mask.any()}
    return Report(
        dataset=dataset,
        protocol=cases.protocol,
        positive_from=cases.positive_from,
        n_users=cases.n_users,
        n_targets=cases.n_targets,
        unhittable_share=cases.unhittable_share,
        models=models,
        slices={**slices, **{name: of_targets(cases, rankings, mask) for name, mask in cases.target_slices.items()}},
        slice_sizes={name: int(mask.sum()) for name, mask in masks.items()},
        baseline=baseline if finite else None,
        ratios=finite,
        champion=champion,
        differences={name: difference(each, users[champion]) for name, each in users.items() if name != champion},
        curves={name: [_finite(epoch) for epoch in epochs] for name, epochs in (curves or {}).items()},
        seconds=dict(seconds),
    )


def _finite(epoch: Mapping[str, float]) -> dict[str, float]:
    """A loss that ran away leaves a gap in its curve, and must not cost the report."""
    return {name: value for name, value in epoch.items() if np.isfinite(value)}


def per_user(cases: EvaluationSet, runs: Sequence[Ranking], metric: str) -> Doubles:
    """[U] a metric by user, averaged over training seeds: what `bootstrap.difference` compares."""
    return user_means(np.mean([run.values[metric] for run in runs], axis=0), cases.user_ids)


def cell(estimate: Estimate) -> str:
    """An estimate as text."""
    return f"{number(estimate.mean)} [{number(estimate.ci_low)}, {number(estimate.ci_high)}]"


def number(value: float) -> str:
    """Four digits after the point below one, two above."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def _interval(interval: Interval, form: str) -> str:
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned in plain text too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(text.ljust(width) for text, width in zip(line, widths, strict=True))} |" for line in lines
    )
