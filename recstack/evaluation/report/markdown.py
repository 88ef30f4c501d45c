"""Renders a report as Markdown tables that are aligned in a terminal too."""

from collections.abc import Sequence

from recstack.evaluation.report.numbers import AGES, estimate_text, interval_text
from recstack.evaluation.report.report import HEADLINE, RATING_METRICS, Report


def render_markdown(report: Report) -> str:
    """Title, accuracy, ages of histories, properties of the lists, rating errors; best NDCG@10 first."""
    parts = [_title(report), _accuracy(report)]
    if report.differences:
        parts.append("`*`: the difference is beyond noise; its paired 95 % interval does not contain 0")
    if report.by_staleness:
        parts.append(_by_staleness(report))
    if report.list_metrics:
        parts.append(_metrics(report, "model", report.ordered, report.list_metrics))
    if rated := [name for name, metrics in report.models.items() if RATING_METRICS[0] in metrics]:
        rated.sort(key=lambda name: report.models[name][RATING_METRICS[0]].mean)
        parts.append(_metrics(report, "ratings", rated, RATING_METRICS))
    return "\n\n".join(parts)


def _title(report: Report) -> str:
    repeated = f"; {report.n_repeated:,} repetitions of seen items are left out" if report.n_repeated else ""
    users, targets = _drawn(report.n_users, report.n_part_users), _drawn(report.n_targets, report.n_part_targets)
    return (
        f"{report.task}: {users} users, {targets} targets"
        f" ({report.unhittable_share:.1%} not in training){repeated}; mean over users [95 % interval]"
    )


def _drawn(count: int, among: int) -> str:
    return f"{count:,} of {among:,}" if count < among else f"{count:,}"


def _accuracy(report: Report) -> str:
    head = ["model", *report.accuracy]
    rows = [
        [name, *(estimate_text(report.models[name][metric]) for metric in report.accuracy)] for name in report.ordered
    ]
    if report.baseline is not None:
        head.append(f"{HEADLINE} / best baseline ({report.baseline})")
        for row in rows:
            row.append(interval_text(report.ratios[row[0]], ".2f") if row[0] in report.ratios else "")
    if report.differences:
        head.append(f"{HEADLINE} - {report.reference}")
        for row in rows:
            gap = report.differences.get(row[0])
            row.append(interval_text(gap, "+.4f") + " *" * gap.beyond_noise if gap else "")
    head.append("seconds")
    for row in rows:
        row.append(f"{report.seconds.get(row[0], float('nan')):.1f}")
    return _table(head, rows)


def _by_staleness(report: Report) -> str:
    """Ages of histories down, models across."""
    head = [f"{HEADLINE}, histories of", "without history", *report.ordered]
    rows = [
        [AGES[age], f"{at.without_history:.1%}", *(interval_text(at.ndcg[name], ".4f") for name in report.ordered)]
        for age, at in report.by_staleness.items()
    ]
    return _table(head, rows)


def _metrics(report: Report, head: str, names: Sequence[str], metrics: Sequence[str]) -> str:
    """Models down, metrics across."""
    rows = [[name, *(estimate_text(report.models[name][metric]) for metric in metrics)] for name in names]
    return _table([head, *metrics], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(text.ljust(width) for text, width in zip(line, widths, strict=True))} |" for line in lines
    )
