from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from recstack.evaluation.report.plots import (
    INK,
    plot_coverage,
    plot_learning_curve,
    plot_recall_by_popularity,
    svg,
    write_png,
)
from recstack.evaluation.report.report import Report


def test_recall_by_decile_plots_the_figures_of_every_model(made: Report) -> None:
    figure = plot_recall_by_popularity(made)
    assert figure is not None
    drawn = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].get_lines()}
    present = [f"popularity {decile}" for decile in range(1, 11) if f"popularity {decile}" in made.slices]
    assert drawn == {model: [made.slices[name][model]["recall@10"].mean for name in present] for model in made.models}


def test_coverage_plots_every_model_once(made: Report) -> None:
    figure = plot_coverage(made)
    assert figure is not None
    points = {bar.get_label(): bar.lines[0].get_xydata().tolist() for bar in figure.axes[0].containers}
    assert points == {n: [[m["coverage"].mean, m["ndcg@10"].mean]] for n, m in made.models.items()}


def test_metrics_that_were_not_measured_have_no_plot(made: Report) -> None:
    sampled = {name: {"ndcg@10": metrics["ndcg@10"]} for name, metrics in made.models.items()}
    nothing = replace(made, models=sampled, slices={})
    assert plot_coverage(nothing) is None
    assert plot_recall_by_popularity(nothing) is None


def test_a_learning_curve_has_a_panel_for_each_metric_and_gaps_where_one_is_missing() -> None:
    panels = plot_learning_curve([{"loss": 1.0}, {"loss": 0.5, "ndcg@10": 0.1}]).axes
    assert [panel.get_ylabel() for panel in panels] == ["loss", "ndcg@10"]
    assert np.isnan(panels[1].get_lines()[0].get_ydata()).tolist() == [True, False]


def test_a_plot_is_written_as_an_image(tmp_path: Path, made: Report) -> None:
    figure = plot_coverage(made)
    assert figure is not None
    write_png(figure, tmp_path / "coverage.png")
    assert (tmp_path / "coverage.png").read_bytes().startswith(b"\x89PNG")


def test_an_svg_is_one_element_in_the_text_colour_of_the_page_with_unique_ids(made: Report) -> None:
    figures = [plot_recall_by_popularity(made), plot_coverage(made)]
    texts = [svg(figure, name) for figure, name in zip(figures, ("one", "two"), strict=True) if figure is not None]
    ids = [{each.get("id") for each in ElementTree.fromstring(text).iter()} - {None} for text in texts]
    assert all(ids)
    assert not ids[0] & ids[1]
    for text in texts:
        assert INK not in text
        assert "currentColor" in text
        assert "item_item" in text  # text is not drawn as paths


def test_the_same_report_gives_the_same_svg(made: Report) -> None:
    first, second = (plot_coverage(made) for _ in range(2))
    assert first is not None and second is not None
    assert svg(first, "a") == svg(second, "a")


@pytest.mark.parametrize("name", ["deciles", "curve0"])
def test_references_inside_an_svg_point_to_its_own_ids(made: Report, name: str) -> None:
    figure = plot_recall_by_popularity(made)
    assert figure is not None
    tree = ElementTree.fromstring(svg(figure, name))
    ids = {each.get("id") for each in tree.iter()}
    used = [each.get("{http://www.w3.org/1999/xlink}href") for each in tree.iter()]
    used += [each.get("clip-path", "").removeprefix("url(").removesuffix(")") for each in tree.iter()]
    assert {target.removeprefix("#") for target in used if target} <= ids
