"""Pictures of an evaluation: what a single mean hides."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.metrics import Doubles, popularity_decile
from recstack.evaluation.ranking import Ranking
from recstack.evaluation.report import HEADLINE, Report


def decile_recall(cases: EvaluationSet, runs: Sequence[Ranking]) -> Doubles:
    """[10] share of the targets of each popularity decile that are in the first ten; NaN for a decile without targets.

    Args:
        cases: the rankings asked for.
        runs: one model's answers, one for each training seed.
    """
    hittable = cases.relevant >= 0
    decile = popularity_decile(cases.item_counts)[cases.relevant[hittable]]
    hits = np.mean([run.hits for run in runs], axis=0)[hittable]
    targets = np.bincount(decile, minlength=10)
    shares: Doubles = np.full(10, np.nan)
    np.divide(np.bincount(decile, weights=hits, minlength=10), targets, out=shares, where=targets > 0)
    return shares


def plot_decile_recall(cases: EvaluationSet, rankings: Mapping[str, Sequence[Ranking]], path: Path) -> None:
    """Recall@10 by the popularity of the target: whether a model finds more than the hits."""
    figure, axes = _figure("Recall@10 by popularity of the target", "decile of training interactions (10 = hits)")
    for name, runs in rankings.items():
        axes.plot(range(1, 11), decile_recall(cases, runs), marker="o", label=name)
    axes.set_xticks(range(1, 11))
    axes.set_ylabel("recall@10")
    axes.legend()
    figure.savefig(path)


def plot_coverage(report: Report, path: Path) -> None:
    """Coverage against NDCG@10: what accuracy costs in breadth; models without coverage are left out."""
    figure, axes = _figure("Accuracy and breadth", "coverage of the catalogue")
    for name, metrics in report.models.items():
        if "coverage" not in metrics:
            continue
        quality = metrics[HEADLINE]
        error = [[quality.mean - quality.ci_low], [quality.ci_high - quality.mean]]
        axes.errorbar(metrics["coverage"].mean, quality.mean, yerr=error, fmt="o", capsize=3, label=name)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ndcg@10, 95 % interval")
    axes.legend()
    figure.savefig(path)


def plot_learning_curve(epochs: Sequence[Mapping[str, float]], path: Path) -> None:
    """One panel for each metric that training reported.

    Args:
        epochs: metrics by name after each epoch; a metric may be missing in some.
        path: image to write.
    """
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    figure = Figure(figsize=(8, 2.5 * len(names)), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(len(names), sharex=True)), names, strict=True):
        axes.plot(range(1, len(epochs) + 1), [epoch.get(name, np.nan) for epoch in epochs], marker=".")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    figure.supxlabel("epoch")
    figure.savefig(path)


def _figure(title: str, x_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.3)
    return figure, axes
