"""A report as one HTML file that needs nothing else: tables, pictures, slices, and what the words mean."""

from html import escape

from recstack.evaluation.report.plots import coverage, decile_recall, learning_curve, svg
from recstack.evaluation.report.report import HEADLINE, Report
from recstack.evaluation.report.style import CSS
from recstack.evaluation.report.tables import accuracy_table, breadth_table, slice_table
from recstack.evaluation.slices import DECILES, GENRE

PROTOCOLS = {
    "global-time": "Models know what happened before one moment. Each later interaction is a target, ranked among all"
    " items that the user has not seen, given all that the user did before it.",
    "leave-last-out": "The target is each user's last item, ranked among all items that the user has not seen.",
    "leave-last-out-99": "The target is each user's last item, ranked among a sample of items that the user never"
    " chose: not to be compared with rankings of a whole catalogue.",
    "held-out-users": "Training knows nothing of the test users. A fifth of the items of each are the targets, ranked"
    " among all items given the others. Time is ignored.",
    "stratified": "A fifth of the ratings is held back at random; all of a user's are the targets of one ranking of all"
    " items that the user has not rated in training. Time is ignored.",
}

TERMS = {
    "ndcg@k": "gain of the targets in the first k, less the lower they stand; 1 is the best possible order",
    "recall@k": "share of the targets that are in the first k; capped_recall divides by k at most",
    "mrr": "1 / rank of the first target",
    "hr@10": "share of the lists that hold a target",
    "coverage": "share of the catalogue in the lists of all users together; bounds are the range over training seeds",
    "novelty": "mean surprise of an item in bits, -log2 of the share of users who chose it",
    "popularity_bias": "popularity of the lists over that of the targets; above 1 the model pushes hits",
    "diversity": "mean distance in genres between two items of a list, from 0 to 1",
    "miscalibration": "distance of a list's genres from those of the history, in nats; 0 is in proportion",
}


def page(report: Report) -> str:
    """The whole file."""
    title = escape(report.task)
    parts = [
        f"<h1><small>recstack evaluate</small>{title}</h1><p>{escape(PROTOCOLS[report.protocol])}</p>",
        _facts(report),
        "<h2>Accuracy</h2><p>Mean over users, with 95 % intervals by resampling users. Differences are paired by user,"
        " which is much sharper than two intervals that overlap: green and red ones are beyond noise.</p>",
        accuracy_table(report),
    ]
    if report.breadth:
        parts += ["<h2>Lists</h2><p>What they are like, whether or not they are right.</p>", breadth_table(report)]
    parts += [f"<div class='figures'>{_figures(report)}</div>", _slices(report)]
    terms = "".join(f"<div><dt>{term}</dt><dd>{escape(text)}</dd></div>" for term, text in TERMS.items())
    parts.append(f"<h2>Terms</h2><dl class='terms'>{terms}</dl>")
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
    return (
        f"<!doctype html><html lang='en'><head>{head}<title>{title}</title><style>{CSS}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _facts(report: Report) -> str:
    facts = {
        "users": f"{report.n_users:,}",
        "targets": f"{report.n_targets:,}",
        "unknown to training": f"{report.unhittable_share:.1%}",
        "fits of a model": str(max(len(metrics[HEADLINE].per_seed) for metrics in report.models.values())),
    }
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f"<dl class='facts'>{shown}</dl>"


def _figures(report: Report) -> str:
    drawn = [
        ("deciles", decile_recall(report), "Recall by popularity", "Who finds hits alone falls off to the left."),
        ("coverage", coverage(report), "Accuracy and breadth", "Up and to the right is better."),
    ]
    for place, (name, epochs) in enumerate(report.curves.items()):
        note = "Epoch by epoch, while the validation part was held back."
        drawn.append((f"curve{place}", learning_curve(epochs), f"Learning curve of {name}", note))
    return "".join(
        f"<figure><figcaption>{escape(title)}<small>{note}</small></figcaption>{svg(figure, name)}</figure>"
        for name, figure, title, note in drawn
        if figure is not None
    )


def _slices(report: Report) -> str:
    kinds = [
        ("Users", "Cold: nothing was known of the user at that moment.", ("warm", "cold"), HEADLINE),
        ("Popularity of the target", "Each tenth of the items has a tenth of all interactions.", DECILES, "recall@10"),
        (
            "Genre of the target",
            "The most frequent genres; a target can have several.",
            [name for name in report.slices if name.startswith(GENRE)],
            "recall@10",
        ),
    ]
    parts = []
    for title, note, names, metric in kinds:
        if present := [name for name in names if name in report.slices]:
            parts.append(f"<h2>{title}: {metric}</h2><p>{note} The best model of each row is bold.</p>")
            parts.append(slice_table(report, present, metric))
    return "".join(parts)
