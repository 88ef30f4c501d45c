import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories import random_log

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.plots import decile_recall, plot_coverage, plot_decile_recall, plot_learning_curve
from recstack.evaluation.protocols import evaluation_set
from recstack.evaluation.ranking import Ranking, rank
from recstack.evaluation.report import Report, per_user, report
from recstack.models.item_item import ItemItem
from recstack.models.popularity import Popularity

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def cases() -> EvaluationSet:
    history = random_log()
    split = np.where(history.time >= 45 * 86_400, "test", "train")
    return evaluation_set("global-time", history.table(split), history.live(), history.encoder())


@pytest.fixture(scope="module")
def rankings(cases: EvaluationSet) -> dict[str, list[Ranking]]:
    history = random_log()
    data = history.rows(history.time < 45 * 86_400).training(history.encoder())
    runs = [ItemItem.fit(data, options={"shrinkage": shrinkage}) for shrinkage in (1.0, 50.0)]
    return {"popularity": [rank(Popularity.fit(data), cases)], "item_item": [rank(run, cases) for run in runs]}


@pytest.fixture(scope="module")
def made(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> Report:
    return report("tiny", cases, rankings, {"popularity": 0.5, "item_item": 2.0})


def test_the_json_has_the_promised_shape_and_only_finite_numbers(made: Report) -> None:
    text = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert {"dataset", "protocol", "n_users", "n_targets", "models", "slices", "seconds"} <= set(text)
    assert (text["dataset"], text["protocol"]) == ("tiny", "global-time")
    assert set(text["slices"]) == {"warm", "cold"}
    for models in [text["models"], *text["slices"].values()]:
        assert set(models) == {"popularity", "item_item"}
        for metrics in models.values():
            assert {"ndcg@10", "recall@10", "recall@20", "precision@10", "mrr", "hr@10", "map@10"} <= set(metrics)
            for estimate in metrics.values():
                assert set(estimate) == {"mean", "ci_low", "ci_high", "per_seed"}
                assert estimate["ci_low"] <= estimate["mean"] <= estimate["ci_high"]


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


def test_warm_and_cold_rankings_are_summarised_apart(made: Report, cases: EvaluationSet) -> None:
    assert sum(made.slice_sizes.values()) == len(cases)
    cold = made.slices["cold"]
    # Nobody has a history there, so both baselines give the same popular items.
    assert cold["item_item"]["mrr"].mean == cold["popularity"]["mrr"].mean
    assert made.slices["warm"]["item_item"]["mrr"].mean != made.slices["warm"]["popularity"]["mrr"].mean


def test_an_empty_slice_is_left_out(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    nobody = replace(cases, slices={"nobody": np.zeros(len(cases), dtype=bool)})
    assert report("tiny", nobody, rankings, {}).slices == {}


def test_coverage_has_the_range_over_seeds_as_its_interval(made: Report, rankings: dict[str, list[Ranking]]) -> None:
    shares = [run.coverage for run in rankings["item_item"]]
    found = made.models["item_item"]["coverage"]
    assert (found.ci_low, found.ci_high) == (min(shares), max(shares))
    assert "coverage" not in made.slices["warm"]["item_item"]


def test_coverage_that_is_the_same_for_every_seed_lies_in_its_interval(
    cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    runs = [replace(rankings["popularity"][0], coverage=0.1)] * 3  # their mean is 0.10000000000000002
    found = report("tiny", cases, {"popularity": runs}, {}).models["popularity"]["coverage"]
    assert found.ci_low == found.mean == found.ci_high == 0.1


def test_the_table_of_held_out_users_has_what_papers_report(made: Report) -> None:
    header = replace(made, protocol="held-out-users").table().splitlines()[2]
    assert header.startswith("| model | ndcg@100 | recall@20 | recall@50 | capped_recall@20 | capped_recall@50 |")


def test_the_table_has_the_best_model_first_with_interval_and_ratio(made: Report) -> None:
    lines = made.table().splitlines()
    best = max(made.models, key=lambda name: made.models[name]["ndcg@10"].mean)
    ndcg = made.models[best]["ndcg@10"]
    assert lines[4].startswith(f"| {best} | {ndcg.mean:.4f} [{ndcg.ci_low:.4f}, {ndcg.ci_high:.4f}]")
    assert "1.00 [1.00, 1.00]" in lines[4]
    assert f"{made.n_users:,} users" in lines[0]


def test_without_a_baseline_there_is_no_ratio(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    alone = report("tiny", cases, {"other": rankings["item_item"]}, {})
    assert alone.ratios == {}
    assert "baseline" not in alone.table()


def test_recall_by_decile_adds_up_to_the_hits(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> None:
    shares = decile_recall(cases, rankings["popularity"])
    assert shares.shape == (10,)
    assert shares[9] == np.nanmax(shares)  # popularity finds the hits and little else
    assert np.nanmin(shares) == 0.0


def test_plots_are_written_as_images(
    tmp_path: Path, made: Report, cases: EvaluationSet, rankings: dict[str, list[Ranking]]
) -> None:
    plot_decile_recall(cases, rankings, tmp_path / "deciles.png")
    plot_coverage(made, tmp_path / "coverage.png")
    plot_learning_curve([{"loss": 1.0}, {"loss": 0.5, "ndcg@10": 0.1}], tmp_path / "curve.png")
    for name in ("deciles", "coverage", "curve"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
