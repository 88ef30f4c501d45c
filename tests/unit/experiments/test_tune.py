import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import optuna
import pytest
from histories import random_log

from recstack.errors import UserError
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import build_evaluation_set
from recstack.experiments.tune import tune
from recstack.models.training_data import TrainingData
from recstack.tracking.tracker import Tracker

HISTORY = random_log(n_users=40)
FIRST = HISTORY.time < np.quantile(HISTORY.time, 0.7)


class Shop:
    """An experiment on a small log that has no test part."""

    settings = SimpleNamespace(dataset="shop")
    features = SimpleNamespace(path=Path("features/0123"))
    protocol, fingerprint = "global-time", "feed"

    def __init__(self) -> None:
        self._encoder = HISTORY.encoder()

    def data(self, parts: tuple[str, ...]) -> TrainingData:
        assert parts == ("train",)
        return HISTORY.rows(FIRST).training(self._encoder)

    def cases(self, part: str) -> EvaluationSet:
        assert part == "validation"
        table = HISTORY.table(np.where(FIRST, "train", "validation"))
        return build_evaluation_set(self.protocol, table, HISTORY.live(), self._encoder, "validation")


@pytest.fixture(scope="module")
def shop() -> Any:
    return Shop()


@pytest.fixture
def search(shop: Any, open_tracker: Callable[[str], Tracker], tmp_path: Path) -> Callable[..., Any]:
    tracker = open_tracker(tmp_path.name)

    def call(name: str = "item_item", trials: int = 4, seconds: float = 60) -> Any:
        return tune(shop, name, trials=trials, seconds=seconds, storage=tmp_path / "s.db", tracker=tracker)

    return call


def test_the_defaults_are_tried_first_and_the_best_is_no_worse(search: Callable[..., Any]) -> None:
    tuned = search()
    assert tuned.trials == 4
    assert tuned.validation >= tuned.default > 0
    assert tuned.options == {} or tuned.options.keys() == {"shrinkage", "neighbours"}


def test_a_later_call_continues_the_first_one(search: Callable[..., Any], tmp_path: Path) -> None:
    assert search(trials=2).trials == 2
    assert search(trials=5).trials == 5
    assert search(trials=5).trials == 5, "nothing is left to do"
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/s.db")
    assert len(study.trials) == 5


def test_no_trial_starts_when_the_time_is_over(search: Callable[..., Any]) -> None:
    assert search(trials=1000, seconds=0.5).trials < 1000


def test_a_trial_that_was_killed_is_tried_again_with_its_options(search: Callable[..., Any], tmp_path: Path) -> None:
    search(trials=2)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/s.db")
    study.enqueue_trial({"shrinkage": 3.0, "neighbours": 17})
    killed = study.ask()
    killed.suggest_float("shrinkage", 0.1, 300.0, log=True)
    killed.suggest_int("neighbours", 10, 1000, log=True)
    search(trials=3)
    trials = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/s.db").trials
    assert trials[killed.number].state is optuna.trial.TrialState.FAIL
    assert trials[-1].params == {"shrinkage": 3.0, "neighbours": 17}


def test_each_trial_is_a_child_of_one_run_with_its_options_and_its_score(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    search(trials=2)
    tuned = search(trials=3)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(tmp_path.name).experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if run.info.run_name == "tune item_item"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name for run in children) == ["trial 0", "trial 1", "trial 2"]
    assert max(run.data.metrics["validation_ndcg_at_10"] for run in children) == tuned.validation
    assert json.loads(parent.data.tags["options"]) == tuned.options
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_model_without_options_is_an_error_that_names_those_that_have_some(search: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="popularity has no options to tune; models that have some are .*item_item"):
        search("popularity")
