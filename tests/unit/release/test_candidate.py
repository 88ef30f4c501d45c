"""The served model has learned from all data; the judged one, which the report is of, has not seen the test part."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pyarrow.compute as pc
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from workspace import OPENING, Shop, Workspace, open_shop

from recstack import columns as c
from recstack.archive.bundle import Bundle
from recstack.data.splits import BEFORE_TEST, EVERYTHING, HELD_OUT_USERS, STRATIFIED, TEST
from recstack.data.timestamps import DAY
from recstack.experiments.candidate_report import report_candidate
from recstack.experiments.compare import compare
from recstack.models.base import Recommender
from recstack.release.candidate import build_candidate
from recstack.storage.lake import Build
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment

LATE = 5
"""An item that appears when nine tenths of the log are over."""


class LateShop(Shop):
    """The shop, in which an item cannot be had before the newest part of the log."""

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        rows = super().read_interactions(spark, source)
        appears = F.timestamp_seconds(F.lit(OPENING + 185 * DAY))
        later = F.when(F.col(c.ITEM_ID) == LATE, F.greatest(F.col(c.TIMESTAMP), appears))
        return rows.withColumn(c.TIMESTAMP, F.coalesce(later, F.col(c.TIMESTAMP)))


@dataclass(frozen=True)
class Candidate:
    shop: Workspace
    build: Build
    tracker: Tracker

    @property
    def experiment(self) -> Experiment:
        return self.shop.experiment


def candidate(shop: Workspace, tracker: Tracker, model: str = "item_item") -> Candidate:
    return Candidate(shop, build_candidate(shop.experiment, model, tracker, seed=0, options={}), tracker)


def loaded(build: Build, name: str) -> tuple[Bundle, Recommender]:
    bundle = Bundle.read(build.path / name)
    return bundle, bundle.model(bundle.encoder.items(bundle.items))


@pytest.fixture(scope="module")
def tracker(open_tracker: Callable[[str], Tracker]) -> Tracker:
    return open_tracker("candidates")


@pytest.fixture(scope="module")
def late(spark: SparkSession, tracker: Tracker, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return candidate(open_shop(spark, tmp_path_factory.mktemp("late"), adapter=LateShop()), tracker)


def test_an_item_that_appears_in_the_newest_fifth_is_recommended_by_the_served_model(late: Candidate) -> None:
    splits = late.shop.table("interactions").filter(pc.field(c.ITEM_ID) == LATE)[c.SPLIT].unique().to_pylist()
    assert splits == [TEST]
    cases = late.experiment.cases("test")
    scores = {}
    for name in ("bundle", "judged"):
        bundle, model = loaded(late.build, name)
        position = int(bundle.encoder.positions([LATE])[0])
        data = late.experiment.data(BEFORE_TEST if name == "judged" else EVERYTHING)
        best, values = model.best(data.users, data.users.unseen(len(bundle.encoder.item_ids)), 10)
        scores[name] = values[best == position]
    assert (scores["bundle"] > 0).any()
    assert not (scores["judged"] > 0).any()
    assert cases.item_counts[position] == 0


def test_the_served_model_is_the_judged_recipe_on_all_rows_and_both_say_what_they_learned_from(late: Candidate) -> None:
    served, judged = (Bundle.read(late.build.path / name).manifest.facts for name in ("bundle", "judged"))
    assert (served.fitted_to, judged.fitted_to) == ("all", "train + validation")
    assert served.config == judged.config
    rows = late.shop.table("interactions")
    facts = late.build.manifest
    assert (facts["fitted_to"], facts["rows"]) == ("all", len(rows))
    assert facts["judged"]["rows"] == len(rows) - late.shop.features.manifest["split"][TEST]
    assert facts["judged"]["validation"] == facts["validation"]
    tags = mlflow.MlflowClient().get_run(facts["run_id"]).data.tags
    assert (tags["fitted_to"], tags["rows"]) == ("all", str(len(rows)))


def test_the_report_is_of_the_judged_model(late: Candidate) -> None:
    report_candidate(late.experiment, late.build, ["popularity"], late.tracker, seeds=1)
    expected = compare(late.experiment, ["item_item"]).models["item_item"]["ndcg@10"].mean
    measured = mlflow.MlflowClient().get_run(late.build.manifest["run_id"]).data.metrics["test_ndcg_at_10"]
    assert measured == pytest.approx(expected)


@pytest.mark.parametrize("protocol", [STRATIFIED, HELD_OUT_USERS])
def test_without_time_the_served_model_learns_from_all_rows_and_users_too(
    spark: SparkSession, tracker: Tracker, tmp_path: Path, protocol: str
) -> None:
    shop = open_shop(spark, tmp_path, protocol=protocol)
    data = shop.experiment.data(EVERYTHING)
    rows = shop.table("interactions")
    assert len(data.item) == len(rows)
    assert set(data.users.ids.tolist()) == set(rows[c.USER_ID].to_pylist())
    assert data.eligible.all()  # the shop's filter keeps every user, also those of the test part
    counted = np.bincount(data.encoder.positions(rows[c.ITEM_ID].to_numpy()), minlength=len(data.items))
    assert np.rint(np.expm1(data.items.popularity[:, 2])).astype(int).tolist() == counted.tolist()
    for number, item in enumerate(data.item.tolist()):
        assert item not in data.users[number : number + 1].seen
    # Features that hide time hide it from anonymous users as well, though the source has timestamps.
    build = candidate(shop, tracker).build
    assert not Bundle.read(build.path / "bundle").manifest.facts.timed
    assert np.isnan(shop.table("user")[c.LAST_INTERACTION].to_numpy()).all()


def test_checkpoints_are_gone_once_the_model_is_published(late: Candidate) -> None:
    build = build_candidate(late.experiment, "genre_ncf", late.tracker, seed=0, options={"epochs": 2})
    assert not list((build.path.parent / "checkpoints").rglob("*.pt"))
    assert Bundle.read(build.path / "bundle").manifest.facts.config["stop_after"] <= 2
