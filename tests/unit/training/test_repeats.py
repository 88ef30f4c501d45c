"""From a log in which users come back to items, also one that ends before 1970, to training rows and rankings."""

from dataclasses import dataclass
from datetime import UTC, datetime

import brute_force
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from brute_force import DAY, Rating
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.csv_files import CSVFiles
from recstack.data.ingest import ingest
from recstack.data.splits import GLOBAL_TIME, STRATIFIED, TEST, TRAIN, VALIDATION
from recstack.data.traits import Traits
from recstack.evaluation.ranking import rank
from recstack.feature_store.registry import apply
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.models import models
from recstack.models.base import FitContext
from recstack.settings import Settings
from recstack.storage.lake import Build
from recstack.training.experiment import Experiment

MAPPING = """
[interactions]
file = "log.csv"
user = "user"
item = "item"
rating = "rating"
time = "at"
[rating]
min = 1
max = 5
positive_from = 4
"""
CENTURY = int(datetime(1860, 1, 1, tzinfo=UTC).timestamp())
YEAR_2024 = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Played:
    log: list[Rating]
    settings: Settings
    spark: SparkSession
    ingested: Build

    def experiment(self, protocol: str) -> Experiment:
        options = FeatureOptions.of(Traits.of(self.ingested), len(self.log), protocol=protocol)
        features = build_features(self.spark, self.ingested, self.settings.lake / "features", options)
        apply(self.settings, features.path)
        return Experiment(self.settings, self.spark, self.ingested, features)


def events(start: int, days: int) -> list[Rating]:
    """Twenty users with 15 events each, among twelve items."""
    random = np.random.default_rng(2)
    rows = {}
    for user in range(1, 21):
        for second in start + np.sort(random.integers(0, days * DAY, 15)):
            item = int(random.integers(1, 13))
            rows[user, item, int(second)] = Rating(user, item, float(random.integers(1, 6)), int(second))
    return list(rows.values())


@pytest.fixture(scope="module", params=[(YEAR_2024, 100), (CENTURY, 36_500)], ids=["100 days", "a century"])
def played(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Played:
    folder = tmp_path_factory.mktemp("played")
    log = events(*request.param)
    times = [datetime.fromtimestamp(r.second or 0, UTC).isoformat() for r in log]
    lines = [f"{r.user},{r.item},{r.rating},{time}" for r, time in zip(log, times, strict=True)]
    (folder / "log.csv").write_text("\n".join(["user,item,rating,at", *lines]) + "\n")
    (folder / "mapping.toml").write_text(MAPPING)
    settings = Settings(recstack_home=folder / "home", dataset="csv", lake_uri=None, feast_registry="file")
    return Played(log, settings, spark, ingest(spark, CSVFiles(), folder, settings.lake / "interactions"))


def test_a_training_row_is_a_first_choice_and_knows_what_was_before_it(played: Played) -> None:
    experiment = played.experiment(GLOBAL_TIME)
    interactions = pq.read_table(experiment.features.path / "interactions")
    assert len(interactions) == len(played.log)
    known = brute_force.ratings_of(interactions.filter(pc.field(c.SPLIT) == TRAIN))
    first, newest = {}, {}
    for event in sorted(known, key=lambda r: r.second or 0):
        first.setdefault((event.user, event.item), event)
        newest[event.user, event.item] = event.rating
    right = sorted(first.values(), key=lambda r: (r.user, r.second, r.item))
    assert len(right) < len(known)

    data = experiment.data((TRAIN,))
    ids = data.encoder.item_ids
    assert ids[data.item].tolist() == [r.item for r in right]
    assert data.timestamp.tolist() == [r.second for r in right]
    assert data.rating.tolist() == [newest[r.user, r.item] for r in right]
    for number, event in enumerate(right):
        past = brute_force.known(played.log, event.user, event.second)
        row = data.users[number : number + 1]
        assert set(ids[row.seen].tolist()) == {r.item for r in past}
        assert event.item not in {r.item for r in past}

    # Item snapshots: none from after the part, and none missing before its first row.
    end = max(r.second or 0 for r in known)
    table = pq.read_table(experiment.features.path / "item")
    dates = np.unique(table[c.EVENT_TIMESTAMP].cast("int64").to_numpy() // 1_000_000)
    assert len(data.popularity) == (dates <= end).sum() < len(dates)
    assert data.snapshot.min() >= 0
    newest_date = dates[dates <= end][-1]
    counted = [sum(r.item == item and (r.second or 0) < newest_date for r in played.log) for item in ids]
    assert np.rint(np.expm1(data.items.popularity[:, 2])).astype(int).tolist() == counted


def test_a_repetition_is_no_target_and_every_other_event_of_the_part_is_one(played: Played) -> None:
    experiment = played.experiment(GLOBAL_TIME)
    interactions = pq.read_table(experiment.features.path / "interactions")
    test = brute_force.ratings_of(interactions.filter(pc.field(c.SPLIT) == TEST))
    again = [r for r in test if r.item in {past.item for past in brute_force.known(played.log, r.user, r.second)}]
    cases = experiment.cases("test")
    assert (cases.n_repeated, cases.n_targets) == (len(again), len(test) - len(again))
    assert 0 < cases.n_targets < len(test)
    model = models()["popularity"].fit(experiment.data((TRAIN, VALIDATION)), FitContext())
    assert np.isfinite(rank(model, cases).values["ndcg@10"]).all()


def test_a_split_that_ignores_time_knows_each_item_of_a_user_once_with_the_newest_rating(played: Played) -> None:
    experiment = played.experiment(STRATIFIED)
    interactions = brute_force.ratings_of(pq.read_table(experiment.features.path / "interactions"))
    newest = {(r.user, r.item): r.rating for r in sorted(played.log, key=lambda r: r.second or 0)}
    assert {(r.user, r.item): r.rating for r in interactions} == newest
    assert len(interactions) == len(newest) < len(played.log)
    data, cases = experiment.data((TRAIN, VALIDATION)), experiment.cases("test")
    assert cases.n_repeated == 0
    assert len(data.item) + cases.n_targets == len(newest)
