import json
from dataclasses import replace

import numpy as np
import pytest

from recstack.errors import UserError
from recstack.evaluation.bootstrap import difference
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import Ranking
from recstack.evaluation.report.markdown import render_markdown
from recstack.evaluation.report.report import Report, build_report, per_user


def test_the_json_has_all_models_metrics_and_slices_and_only_finite_numbers(made: Report) -> None:
    text = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert {"dataset", "protocol", "n_users", "n_targets", "models", "slices", "seconds"} <= set(text)
    assert (text["dataset"], text["protocol"]) == ("tiny", "global-time")
    kinds = {name.split()[0] for name in text["slices"]}
    assert kinds == {"warm", "cold", "popularity", "genre"}
    lists = {"ndcg@10", "precision@10", "mrr", "map@10", "novelty", "popularity_bias", "diversity", "miscalibration"}
    for name, models in [("all", text["models"]), *text["slices"].items()]:
        assert set(models) == {"popularity", "item_item"}
        for metrics in models.values():
            assert {"recall@10", "recall@20", "hr@10"} <= set(metrics)
            assert (lists <= set(metrics)) == (name in ("all", "warm", "cold"))
            for estimate in metrics.values():
                assert set(estimate) == {"mean", "ci_low", "ci_high", "per_seed"}
                assert estimate["ci_low"] <= estimate["mean"] <= estimate["ci_high"]


def test_an_infinite_loss_leaves_a_gap_in_the_curve(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    curve = [{"loss": 1.0}, {"loss": float("nan"), "validation_ndcg@10": 0.1}]
    made = build_report("tiny", cases, rankings, {}, curves={"item_item": curve})
    assert made.curves == {"item_item": [{"loss": 1.0}, {"validation_ndcg@10": 0.1}]}


def test_the_mean_is_over_users_and_then_over_seeds(
    made: Report, cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    found = made.models["item_item"]["mrr"]
    by_seed = []
    for run in rankings["item_item"]:
        users = [run.values["mrr"][cases.user_ids == user].mean() for user in np.unique(cases.user_ids)]
        by_seed.append(np.mean(users))
    assert found.per_seed == pytest.approx(by_seed)
    assert found.mean == pytest.approx(np.mean(by_seed))
    assert per_user(cases, rankings["item_item"], "mrr").mean() == pytest.approx(found.mean)


def test_warm_and_cold_users_are_slices_of_their_own(made: Report, cases: EvaluationSet) -> None:
    assert made.slice_sizes["warm"] + made.slice_sizes["cold"] == len(cases)
    cold = made.slices["cold"]
    # Cold users have no history, so both baselines recommend the same popular items.
    assert cold["item_item"]["mrr"].mean == cold["popularity"]["mrr"].mean
    assert made.slices["warm"]["item_item"]["mrr"].mean != made.slices["warm"]["popularity"]["mrr"].mean


def test_a_slice_of_targets_has_the_recall_of_these_targets_alone(
    made: Report, cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    (run,) = rankings["popularity"]
    for name, mask in cases.target_slices.items():
        hit = run.ranks[mask] <= 10
        users = cases.user_ids[cases.relevant_rows[mask]]
        expected = np.mean([hit[users == user].mean() for user in np.unique(users)])
        assert made.slices[name]["popularity"]["recall@10"].mean == pytest.approx(expected), name
        assert made.slice_sizes[name] == mask.sum()
    by_decile = [made.slices[f"popularity {decile}"]["popularity"]["recall@10"].mean for decile in (2, 10)]
    assert by_decile[0] == 0.0 < by_decile[1]  # popularity finds popular items only


def test_an_empty_slice_is_left_out(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    nobody = replace(cases, slices={"nobody": np.zeros(len(cases), dtype=bool)}, target_slices={})
    assert build_report("tiny", nobody, rankings, {}).slices == {}


def test_coverage_has_the_range_over_seeds_as_its_interval(made: Report, rankings: dict[str, list[Ranking]]) -> None:
    shares = [run.coverage for run in rankings["item_item"]]
    found = made.models["item_item"]["coverage"]
    assert (found.ci_low, found.ci_high) == (min(shares), max(shares))
    assert "coverage" not in made.slices["warm"]["item_item"]


def test_coverage_that_is_the_same_for_every_seed_lies_in_its_interval(
    cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    runs = [replace(rankings["popularity"][0], coverage=0.1)] * 3  # their mean is 0.10000000000000002
    found = build_report("tiny", cases, {"popularity": runs}, {}).models["popularity"]["coverage"]
    assert found.ci_low == found.mean == found.ci_high == 0.1


def columns(table: str) -> list[list[str]]:
    return [[text.strip() for text in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_table_of_held_out_users_has_the_metrics_of_papers(made: Report) -> None:
    header = columns(render_markdown(replace(made, protocol="held-out-users")))[0]
    assert header[:6] == ["model", "ndcg@100", "recall@20", "recall@50", "capped_recall@20", "capped_recall@50"]


def test_the_table_has_the_best_model_first_with_interval_and_ratio_to_the_named_baseline(made: Report) -> None:
    header, _, first, *_ = columns(render_markdown(made))
    best = max(made.models, key=lambda name: made.models[name]["ndcg@10"].mean)
    ndcg = made.models[best]["ndcg@10"]
    assert first[:2] == [best, f"{ndcg.mean:.4f} [{ndcg.ci_low:.4f}, {ndcg.ci_high:.4f}]"]
    assert dict(zip(header, first, strict=True))[f"ndcg@10 / best baseline ({best})"] == "1.00 [1.00, 1.00]"
    assert f"{made.n_users:,} users" in render_markdown(made).splitlines()[0]


def test_the_table_is_aligned_in_plain_text(made: Report) -> None:
    tables = [block.splitlines() for block in render_markdown(made).split("\n\n") if block.startswith("|")]
    assert [len({len(line) for line in lines}) for lines in tables] == [1, 1]


def test_every_model_is_compared_with_the_reference_or_the_best_paired_by_user(
    made: Report, cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    best, other = made.ordered
    assert made.reference == best
    expected = difference(*(per_user(cases, rankings[name], "ndcg@10") for name in (other, best)))
    assert set(made.differences) == {other}
    assert vars(made.differences[other]) == pytest.approx(vars(expected))
    named = build_report("tiny", cases, rankings, {}, reference=other)
    assert named.differences[best].mean == pytest.approx(-expected.mean)
    assert f"ndcg@10 - {other}" in render_markdown(named)


def test_a_reference_that_was_not_compared_is_refused(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    with pytest.raises(UserError, match="no reference 'ease'.*popularity, item_item"):
        build_report("tiny", cases, rankings, {}, reference="ease")


def test_a_difference_beyond_noise_is_marked(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    useless = replace(rankings["popularity"][0], values={k: v * 0 for k, v in rankings["popularity"][0].values.items()})
    same = rankings["popularity"]
    made = build_report(
        "tiny", cases, {"popularity": same, "useless": [useless], "twin": same}, {}, reference="popularity"
    )
    marked = {row[0]: row[-2].endswith(" *") for row in columns(render_markdown(made))[2:5]}
    assert marked == {"popularity": False, "useless": True, "twin": False}
    assert made.differences["useless"].beyond_noise
    assert not made.differences["twin"].beyond_noise


def test_the_ratio_is_to_the_best_of_several_baselines(
    cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    made = build_report("tiny", cases, {**rankings, "ease": rankings["item_item"], "als": rankings["popularity"]}, {})
    assert made.baseline in ("item_item", "ease")
    assert made.ratios["als"].mean < 1.0 == made.ratios["ease"].mean


def test_without_a_baseline_there_is_no_ratio(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    alone = build_report("tiny", cases, {"other": rankings["item_item"]}, {})
    assert alone.ratios == {}
    assert "baseline" not in render_markdown(alone)
