"""Stores a report as files: for programs, for a terminal, and for a browser."""

import json
from pathlib import Path

from recstack.evaluation.report.markdown import render_markdown
from recstack.evaluation.report.page import render_page
from recstack.evaluation.report.plots import plot_coverage, plot_recall_by_popularity, write_png
from recstack.evaluation.report.report import Report


def write_report(folder: Path, report: Report) -> None:
    """Write `report.json`, `table.md`, `report.html` and the plots."""
    (folder / "report.json").write_text(json.dumps(report.to_json(), indent=2))
    (folder / "table.md").write_text(render_markdown(report))
    (folder / "report.html").write_text(render_page(report))
    for name, figure in (("recall_by_decile", plot_recall_by_popularity(report)), ("coverage", plot_coverage(report))):
        if figure is not None:
            write_png(figure, folder / f"{name}.png")
