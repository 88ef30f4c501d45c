"""Plots of a report: recall by popularity, coverage and learning curves."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cycler import cycler
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recstack.evaluation.report.report import HEADLINE, Report
from recstack.evaluation.slices import DECILES

INK = "#1b1d21"
"""Colour of text and axes. `svg` replaces it by the page's text colour, which is light on a dark page."""

COLOURS = ["#4e79a7", "#e8842c", "#59a14f", "#d1605e", "#9b72aa", "#76b7b2", "#b6992d", "#e377c2", "#9c755f", "#8f8f8f"]

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(linestyle=["-", "--"]) * cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.15,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "recstack",
}


def plot_recall_by_popularity(report: Report) -> Figure | None:
    """Recall@10 by the popularity of the target; None without slices by popularity."""
    present = [(decile, name) for decile, name in enumerate(DECILES, 1) if name in report.slices]
    if not present:
        return None
    deciles = [decile for decile, _ in present]
    with _figure("popularity of the target (1 = rarest, 10 = most popular)", "recall@10") as (figure, axes):
        for model in report.ordered:
            recall = [report.slices[name][model]["recall@10"] for _, name in present]
            is_reference = model == report.reference
            (line,) = axes.plot(
                deciles, [each.mean for each in recall], marker="o", ms=4, lw=2.5 if is_reference else 1.5, label=model
            )
            if is_reference:
                low, high = [each.ci_low for each in recall], [each.ci_high for each in recall]
                axes.fill_between(deciles, low, high, color=line.get_color(), alpha=0.15, lw=0)
        axes.set_xticks(range(1, 11))
        axes.set_ylim(bottom=0)
    return figure


def plot_coverage(report: Report) -> Figure | None:
    """NDCG@10 against coverage; None where coverage was not measured."""
    if "coverage" not in report.list_metrics:
        return None
    with _figure("share of the catalogue in the lists", f"{HEADLINE}, 95 % interval") as (figure, axes):
        for name in report.ordered:
            quality, coverage = report.models[name][HEADLINE], report.models[name]["coverage"]
            error = [[quality.mean - quality.ci_low], [quality.ci_high - quality.mean]]
            axes.errorbar(coverage.mean, quality.mean, yerr=error, fmt="o", capsize=3, label=name)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    return figure


def plot_learning_curve(epochs: Sequence[Mapping[str, float]]) -> Figure:
    """One panel for each metric that training reported; some epochs may lack a metric."""
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2, 0.6 + 1.5 * len(names)), layout="constrained")
        for axes, name in zip(np.ravel(figure.subplots(len(names), sharex=True)), names, strict=True):
            axes.plot(range(1, len(epochs) + 1), [epoch.get(name, np.nan) for epoch in epochs], marker=".")
            axes.set_ylabel(name)
            axes.xaxis.get_major_locator().set_params(integer=True)
        figure.supxlabel("epoch", fontsize=9)
    return figure


def write_png(figure: Figure, path: Path) -> None:
    """Write a plot as an image file."""
    with rc_context(STYLE):
        figure.savefig(path, dpi=150, facecolor="white")


def svg(figure: Figure, name: str) -> str:
    """The plot as an `<svg>` element in the page's text colour; `name` makes its ids unique within the page."""
    drawing = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None})
    text = drawing.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)


@contextmanager
def _figure(x_label: str, y_label: str) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one set of axes and a legend below."""
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.9), layout="constrained")
        axes = figure.subplots()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        yield figure, axes
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
