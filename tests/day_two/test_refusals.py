"""A model that must not be served ends the flow `archive`, or stays beside the champion; Prefect's page says why."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.client.schemas.objects import State
from prefect_server import Prefect, prefect_server
from release_candidates import published

from flows.archive import archive
from flows.deploy import deploy
from recstack.archive.bundle import MANIFEST as BUNDLE
from recstack.features.arrays import Floats
from recstack.models.item_item.model import ItemItem
from recstack.settings import Settings
from recstack.torchserve.api import TorchServeError
from recstack.tracking.tracker import Tracker

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("recovery")]

Change = Callable[[Floats], Floats]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODEL_STORE", str(tmp_path / "models"))
    monkeypatch.setenv("WARM_UP_BUDGET", "1")
    (tmp_path / "home").mkdir()
    return Settings(dataset="tiny")


def tracker(settings: Settings) -> Tracker:
    return Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)


def train(settings: Settings, name: str) -> Path:
    """A trained model, as the flow `train` publishes it."""
    with tracker(settings).run(name) as run:
        pass
    return published(settings.lake / "models" / name, run_id=run.run_id).path


def run_archive(settings: Settings, trained: Path) -> State[Any]:
    report = settings.lake / "reports" / "any"
    report.mkdir(parents=True, exist_ok=True)
    state: State[Any] = archive(trained, report, settings.dataset, return_state=True)
    return state


def page(prefect: Prefect, state: State[Any], line: str) -> str:
    """What the page of a run shows: its state, and its log as soon as that has a line."""
    run = str(state.state_details.flow_run_id)
    only = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    end = time.monotonic() + 60
    while True:
        shown = str(prefect.state(run)["message"]) + "".join(
            each["message"] for each in prefect.call("POST", "/logs/filter", only)
        )
        if line in shown or time.monotonic() > end:
            return shown
        time.sleep(0.5)


def raises(scores: Floats) -> Floats:
    raise FloatingPointError("the model is broken")


def one_nan(scores: Floats) -> Floats:
    return np.where(np.arange(scores.shape[1]) == 3, np.float32(np.nan), scores)


def three_seconds(scores: Floats) -> Floats:
    time.sleep(3)
    return scores


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (raises, "can't score an anonymous user: FloatingPointError('the model is broken')"),
        (one_nan, "scores that are not numbers"),
        (three_seconds, "1 s are allowed (setting WARM_UP_BUDGET)"),
        (np.zeros_like, "gives all items the same score"),
    ],
    ids=["raises", "NaN", "three seconds", "all equal"],
)
def test_a_bad_model_is_not_registered_and_the_run_says_why(
    prefect: Prefect, settings: Settings, change: Change, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = ItemItem.score
    monkeypatch.setattr(ItemItem, "score", lambda self, users, allowed: change(score(self, users, allowed)))
    state = run_archive(settings, train(settings, "bad"))
    assert state.is_failed()
    assert why in page(prefect, state, why)
    assert tracker(settings).champion() is None
    assert not list(settings.model_store.glob("*.mar"))


def test_a_model_of_other_features_is_not_registered_and_the_run_says_why(prefect: Prefect, settings: Settings) -> None:
    trained = train(settings, "other")
    manifest = json.loads((trained / "bundle" / BUNDLE).read_text())
    manifest["features"]["user"].append(["mood", "float", "standard"])
    (trained / "bundle" / BUNDLE).write_text(json.dumps(manifest))
    why = "no longer has every feature of it"
    assert why in page(prefect, run_archive(settings, trained), why)
    assert tracker(settings).champion() is None


def test_while_mlflow_is_stopped_no_model_is_registered_and_the_run_says_why(
    prefect: Prefect, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(settings, "good")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        stopped = f"127.0.0.1:{probe.getsockname()[1]}"
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", f"http://{stopped}")
        patched.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        state = run_archive(settings, trained)
    assert state.is_failed()
    why = f"MLflow at http://{stopped} can't"
    assert why in page(prefect, state, why)
    assert tracker(settings).champion() is None
    assert run_archive(settings, trained).is_completed()  # once MLflow answers


def test_a_candidate_is_not_promoted_over_a_champion_whose_archive_is_gone_and_the_run_says_why(
    prefect: Prefect, settings: Settings
) -> None:
    served = run_archive(settings, train(settings, "first")).result()
    champion = tracker(settings).champion()
    assert champion is not None
    served.unlink()
    state = run_archive(settings, train(settings, "second"))
    why = f"could not be compared with champion {champion.number}: its archive is gone: {served}"
    assert why in page(prefect, state, why)
    assert state.result() == served
    assert tracker(settings).champion() == champion


@pytest.mark.parametrize(("status", "attempts"), [(500, 1), (0, 3)], ids=["refused", "not reachable"])
def test_a_version_that_torchserve_refuses_is_not_tried_again(
    prefect: Prefect, settings: Settings, status: int, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fails(*arguments: object) -> str:
        calls.append(arguments)
        raise TorchServeError("no", status)

    monkeypatch.setattr("flows.deploy.roll_out", fails)
    archive_file = settings.model_store / "recstack-1.mar"
    state: State[Any] = deploy(archive_file, settings.dataset, return_state=True)
    assert state.is_failed()
    assert len(calls) == attempts
