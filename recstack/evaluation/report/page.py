"""Renders a report as one HTML file that loads nothing else: tables, plots, slices and explanations."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from recstack.evaluation.estimates import Estimate
from recstack.evaluation.report.numbers import AGES, number
from recstack.evaluation.report.plots import plot_coverage, plot_learning_curve, plot_recall_by_popularity, svg
from recstack.evaluation.report.report import HEADLINE, Report
from recstack.evaluation.slices import DECILES, GENRE

PROTOCOLS = {
    "global-time": "Models are trained on the interactions before one point in time. Each later interaction is a"
    " target, ranked alone among all items that the user had not seen before its second. Other items that they chose"
    " in the same second compete with it, and are wrong answers.",
    "leave-last-out": "The target is each user's last item, ranked among all items that the user has not seen.",
    "leave-last-out-99": "The target is each user's last item, ranked among a sample of items that the user never"
    " chose. Don't compare these figures with rankings of a whole catalogue.",
    "held-out-users": "Training leaves out the test users. The model gets four fifths of each test user's items; the"
    " others are the targets, ranked among all items except these four fifths. Time is ignored.",
    "stratified": "A fifth of the ratings is held out at random. All held-out items of a user are the targets of one"
    " ranking of all items that the user has not rated in training. Time is ignored.",
}

TERMS = {
    "ndcg@k": "gain of the targets in the first k; lower ranks gain less; 1 is the best possible order",
    "recall@k": "share of the targets that are in the first k; capped_recall divides by k at most",
    "mrr": "1 / rank of the first target",
    "hr@10": "share of the lists that hold a target",
    "coverage": "share of the catalogue in the lists of all users together; its bounds are the range over seeds",
    "novelty": "mean surprise of an item in bits: -log2 of the share of users who chose it",
    "popularity_bias": "popularity of the lists / popularity of the targets; above 1 the model favours popular items",
    "diversity": "mean distance in genres between two items of a list, from 0 to 1",
    "miscalibration": "distance of a list's genres from those of the user's history, in nats; 0 means the same shares",
}


@dataclass(frozen=True)
class Figure:
    """A plot of the page."""

    title: str
    note: str
    svg: str


@dataclass(frozen=True)
class SliceTable:
    """One metric by slice: slices down, models across."""

    title: str
    note: str
    metric: str
    rows: dict[str, list[Estimate]]
    """By slice, one estimate for each of `Report.ordered`."""


def render_page(report: Report) -> str:
    """The HTML of a report."""
    headlines = [metrics[HEADLINE] for metrics in report.models.values()]
    lowest, highest = min(each.ci_low for each in headlines), max(each.ci_high for each in headlines)
    return _template().render(
        report=report,
        headline=HEADLINE,
        protocol=PROTOCOLS[report.protocol],
        facts={
            "users": f"{report.n_users:,}",
            "targets": f"{report.n_targets:,}",
            "targets not in training": f"{report.unhittable_share:.1%}",
            "training seeds": max(len(estimate.per_seed) for estimate in headlines),
        },
        best={metric: max(each[metric].mean for each in report.models.values()) for metric in report.accuracy},
        on_scale=lambda value: 100 * (value - lowest) / ((highest - lowest) or 1.0),
        figures=_figures(report),
        slices=_slice_tables(report),
        terms=TERMS,
        ages=AGES,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["number"] = number
    return environment.get_template("page.html.j2")


def _figures(report: Report) -> list[Figure]:
    figures = []
    if (plot := plot_recall_by_popularity(report)) is not None:
        note = "Models that only find popular items drop towards the left."
        figures.append(Figure("Recall by popularity", note, svg(plot, "deciles")))
    if (plot := plot_coverage(report)) is not None:
        figures.append(Figure("Accuracy and coverage", "Up and to the right is better.", svg(plot, "coverage")))
    for index, (name, epochs) in enumerate(report.curves.items()):
        note = "After each epoch of the first fit, which leaves the validation part out."
        figures.append(Figure(f"Learning curve of {name}", note, svg(plot_learning_curve(epochs), f"curve{index}")))
    return figures


def _slice_tables(report: Report) -> list[SliceTable]:
    groups = [
        ("Users", "Cold users have no history at the time of the target.", ("warm", "cold"), HEADLINE),
        (
            "Popularity of the target",
            "From the rarest items (1) to the most popular ones (10); each group has a tenth of all interactions.",
            DECILES,
            "recall@10",
        ),
        (
            "Genre of the target",
            "The most frequent genres; a target can have several.",
            [name for name in report.slices if name.startswith(GENRE)],
            "recall@10",
        ),
    ]
    tables = []
    for title, note, names, metric in groups:
        present = [name for name in names if name in report.slices]
        rows = {name: [report.slices[name][model][metric] for model in report.ordered] for name in present}
        tables += [SliceTable(title, note, metric, rows)] if rows else []
    return tables
