"""The tables of a report's page."""

from collections.abc import Sequence
from html import escape

from recstack.evaluation.bootstrap import Interval
from recstack.evaluation.estimates import Estimate
from recstack.evaluation.report.report import HEADLINE, Report, number


def accuracy_table(report: Report) -> str:
    """Models down, metrics across, then what each is beside the best baseline and the champion."""
    head = ["model", *report.accuracy]
    if report.baseline is not None:
        head.append(f"{HEADLINE} / best baseline ({report.baseline})")
    if report.differences:
        head.append(f"{HEADLINE} - {report.champion}")
    best = {metric: max(each[metric].mean for each in report.models.values()) for metric in report.accuracy}
    headlines = [metrics[HEADLINE] for metrics in report.models.values()]
    scale = min(each.ci_low for each in headlines), max(each.ci_high for each in headlines)
    rows = []
    for name in report.ordered:
        figures = report.models[name]
        cells = [_model(report, name)]
        for metric in report.accuracy:
            bar = _bar(figures[metric], *scale) if metric == HEADLINE else ""
            cells.append(_cell(figures[metric], figures[metric].mean == best[metric], bar))
        if report.baseline is not None:
            cells.append(_interval(report.ratios.get(name), ".2f"))
        if report.differences:
            gap = report.differences.get(name)
            kind = "" if gap is None or not gap.beyond_noise else "better" if gap.above_zero else "worse"
            cells.append(_interval(gap, "+.4f", kind))
        rows.append(_row(cells, name == report.champion))
    return _table(head, rows)


def breadth_table(report: Report) -> str:
    """Models down, metrics of their lists across."""
    rows = []
    for name in report.ordered:
        cells = [_model(report, name), *(_cell(report.models[name][metric]) for metric in report.breadth)]
        rows.append(_row(cells, name == report.champion))
    return _table(["model", *report.breadth], rows)


def slice_table(report: Report, names: Sequence[str], metric: str) -> str:
    """Slices down, models across."""
    rows = []
    for name in names:
        figures = [report.slices[name][model][metric] for model in report.ordered]
        best = max(each.mean for each in figures)
        size = f"<small>{report.slice_sizes[name]:,}</small>"
        cells = [f"<th>{escape(name)}{size}</th>", *(_cell(each, each.mean == best > 0) for each in figures)]
        rows.append(_row(cells))
    return _table(["", *report.ordered], rows)


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    return f"<div class='panel'><table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _row(cells: Sequence[str], champion: bool = False) -> str:
    return f"<tr{' class=champion' if champion else ''}>{''.join(cells)}</tr>"


def _model(report: Report, name: str) -> str:
    return f"<th>{escape(name)}<small>{report.seconds.get(name, 0):,.1f} s</small></th>"


def _cell(estimate: Estimate, best: bool = False, below: str = "") -> str:
    interval = f"<small>{number(estimate.ci_low)} .. {number(estimate.ci_high)}</small>"
    return f"<td{' class=best' if best else ''}>{number(estimate.mean)}{interval}{below}</td>"


def _interval(interval: Interval | None, form: str, kind: str = "") -> str:
    if interval is None:
        return "<td></td>"
    bounds = f"<small>{interval.low:{form}} .. {interval.high:{form}}</small>"
    return f"<td class='{kind}'>{interval.mean:{form}}{bounds}</td>"


def _bar(estimate: Estimate, least: float, most: float) -> str:
    """The interval on a scale from the lowest bound of all models to the highest."""
    width = (most - least) or 1.0
    low, mean, high = (100 * (each - least) / width for each in (estimate.ci_low, estimate.mean, estimate.ci_high))
    span = f"<i style='left:{low:.1f}%;width:{high - low:.1f}%'></i>"
    return f"<span class='bar'>{span}<b style='left:{mean:.1f}%'></b></span>"
