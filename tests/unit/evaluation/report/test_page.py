import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from recstack.data.splits import PROTOCOLS as NAMES
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import Ranking
from recstack.evaluation.report.page import PROTOCOLS, render_page
from recstack.evaluation.report.report import Report, build_report

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Text of each element by tag, and every attribute; closing tags have to match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]


def test_the_page_loads_no_file_and_runs_no_script(made: Report) -> None:
    text = render_page(made)
    outline = Outline(text)
    tags = {tag for tag, _, _ in outline.attributes}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    loaded = [value for _, name, value in outline.attributes if name in ("src", "href", "xlink:href", "style")]
    assert not [value for value in loaded if "//" in value]
    assert not re.findall(r"@import|url\((?!#)", text)
    assert not [name for _, name, _ in outline.attributes if name.startswith("on")]


def test_the_page_holds_every_model_slice_and_figure_of_the_report(made: Report) -> None:
    outline = Outline(render_page(made))
    assert {*made.models, *made.slices} <= set(outline.of("th"))
    for metrics in made.models.values():
        assert f"{metrics['ndcg@10'].mean:.4f}" in outline.of("td")
    assert outline.of("figcaption") == ["Recall by popularity", "Accuracy and coverage", "Learning curve of item_item"]
    assert len([tag for tag, name, _ in outline.attributes if tag == "svg" and name == "viewbox"]) == 3


def test_names_of_models_and_datasets_are_escaped(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    evil = build_report(
        "<script>alert(1)</script>", cases, {"<b>&": rankings["popularity"]}, {}, curves={"<b>&": [{"l": 1}]}
    )
    text = render_page(evil)
    outline = Outline(text)
    assert "<script>" not in text
    assert "<b>&" in outline.of("th")


def test_differences_beyond_noise_are_coloured(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    (popular,) = rankings["popularity"]
    useless = replace(popular, values={name: values * 0 for name, values in popular.values.items()})
    models = {"popularity": [popular], "useless": [useless], "twin": [popular]}
    for reference, kinds in (("popularity", ["worse"]), ("useless", ["better", "better"])):
        outline = Outline(render_page(build_report("tiny", cases, models, {}, reference=reference)))
        found = [value for tag, name, value in outline.attributes if tag == "td" and name == "class"]
        assert [value for value in found if value in ("better", "worse")] == kinds


@pytest.mark.parametrize("protocol", NAMES)
def test_every_protocol_is_explained(made: Report, protocol: str) -> None:
    assert PROTOCOLS[protocol] in "".join(Outline(render_page(replace(made, protocol=protocol))).of("p"))


def test_a_report_of_one_model_without_hits_on_sampled_candidates_has_a_page(made: Report) -> None:
    metrics = made.models["popularity"]
    zero = {n: replace(metrics[n], mean=0.0, ci_low=0.0, ci_high=0.0) for n in ("ndcg@10", *made.accuracy)}
    nothing = replace(
        made,
        models={"popularity": zero},
        slices={},
        differences={},
        ratios={},
        baseline=None,
        reference="popularity",
        curves={},
    )
    outline = Outline(render_page(nothing))
    assert outline.of("figcaption") == []
    assert "0.0000" in outline.of("td")
    assert not np.isnan([float(text) for text in outline.of("td") if text.strip()]).any()
