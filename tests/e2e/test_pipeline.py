"""The whole pipeline on a small dataset, with real servers and processes, killed once while it trains."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from checkout import ROOT
from s3_server import BUCKET, KEYS, S3Server

from recstack.local.pages import start_pages, stop_pages
from recstack.settings import Settings
from recstack.storage.lake import current
from recstack.torchserve.api import Api
from recstack.torchserve.server import server_of, start_server, stop_server

pytestmark = pytest.mark.timeout(900)  # the first test waits for three runs of the pipeline

DATASET = "synthetic"
PARAMETERS = {
    "dataset": DATASET,
    "dataset_options": {"n_users": 300, "n_items": 200, "n_genres": 8, "mean_ratings": 40},
    "model_options": {"epochs": 3},
}
PROGRAM = "import json, sys; from flows.pipeline import pipeline; pipeline(**json.loads(sys.argv[1]))"
FAILED_STEP = "from flows.ingest import ingest; ingest('movielens_25m', '/nowhere', return_state=True)"
"""Runs before the pipeline in the same process, for a process takes seconds to import everything."""


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class Stack:
    settings: Settings
    environment: dict[str, str]
    first_output: str = ""
    """Of the run after the kill."""

    @property
    def api(self) -> Api:
        return server_of(self.settings).api

    def launch(self, before: str = "") -> subprocess.Popen[str]:
        """The pipeline in a process group of its own, so that a kill ends its JVM too; after another statement."""
        command = [sys.executable, "-c", f"{before}\n{PROGRAM}", json.dumps(PARAMETERS)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, text=True, start_new_session=True, **pipes)

    def run(self, before: str = "") -> str:
        process = self.launch(before)
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output[-6000:]
        return output

    def kill_when(self, pattern: str) -> None:
        """End the pipeline with SIGKILL as soon as the lake has a file that matches the pattern."""
        process = self.launch()
        deadline = time.monotonic() + 400
        while not any(self.settings.lake.glob(pattern)):
            assert process.poll() is None, f"the pipeline ended before {pattern} was there"
            assert time.monotonic() < deadline, f"{pattern} never came"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def prefect(self, path: str, body: dict[str, Any]) -> Any:
        return httpx.post(f"{self.settings.prefect_page}/api{path}", json=body).raise_for_status().json()

    def mlflow(self, path: str, **parameters: str) -> Any:
        address = f"{self.settings.mlflow_page}/api/2.0/mlflow/{path}"
        return httpx.get(address, params=parameters, timeout=30).raise_for_status().json()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Stack]:
    """Everything up, the pipeline killed while it trains, then run to its end."""
    folder = tmp_path_factory.mktemp("e2e")
    addresses = {name: free_address() for name in ("mlflow_page", "prefect_page")}
    addresses |= {f"torchserve_{kind}": free_address() for kind in ("inference", "management", "metrics")}
    addresses |= {"object_store": f"s3://{BUCKET}/e2e", "object_store_endpoint": s3_server.endpoint}
    settings = Settings(
        recstack_home=folder, model_store=folder / "models", dataset=DATASET, spark_master="local[2]", **addresses
    )
    environment = {
        **settings.child_environment(),
        **KEYS,
        "MLFLOW_TRACKING_URI": settings.mlflow_page,
        "PREFECT_API_URL": f"{settings.prefect_page}/api",
        "PREFECT_HOME": str(folder / "prefect"),
    }
    try:
        start_pages(settings)
        start_server(server_of(settings))
        stack = Stack(settings, environment)
        stack.kill_when("models/checkpoints/*/search.pt")
        stack.first_output = stack.run(before=FAILED_STEP)
        yield stack
    finally:
        stop_server(server_of(settings))
        stop_pages(settings)


def test_a_run_after_a_kill_finishes_and_each_step_prints_what_it_made(stack: Stack) -> None:
    lines = stack.first_output
    for step in ("ingest", "build_features", "materialize", "train", "evaluate", "archive", "deploy"):
        assert any(line.startswith(step) for line in lines.splitlines()), f"no line for {step} in:\n{lines}"
    assert not [path for path in stack.settings.lake.rglob(".draft-*")]
    assert not [path for path in stack.settings.lake.rglob("*.pt") if "checkpoints" in path.parts]


def test_an_error_that_a_user_can_mend_is_one_line_and_no_trace(stack: Stack) -> None:
    assert stack.first_output.count("ratings.csv does not exist") == 1
    assert "Traceback" not in stack.first_output


def test_a_second_run_finds_everything_unchanged_here_or_in_the_object_store(stack: Stack) -> None:
    before = {name: current(stack.settings.lake / name).path for name in ("interactions", "features", "models")}
    shutil.rmtree(stack.settings.lake / "models")
    shutil.rmtree(stack.settings.lake / "reports")

    output = stack.run()

    for step in ("ingest", "build_features", "train", "evaluate"):
        assert any(line.startswith(step) and "unchanged" in line for line in output.splitlines()), output
    assert [line.split()[0] for line in output.splitlines() if line.startswith(("pull", "push"))] == ["pull", "pull"]
    assert {name: current(stack.settings.lake / name).path for name in before} == before


def test_everything_published_is_in_the_object_store(stack: Stack, s3_server: S3Server) -> None:
    archives = [path.name for path in stack.settings.model_store.glob("*.mar")]
    assert archives
    for archive in archives:
        assert s3_server.names(f"e2e/{DATASET}/archives/{archive}/manifest.json")
    for output in ("interactions", "features", "models", "reports"):
        version = current(stack.settings.lake / output).path.name
        assert s3_server.names(f"e2e/{DATASET}/{output}/{version}/manifest.json")


def test_a_known_user_gets_unseen_distinct_items_of_the_served_version(stack: Stack) -> None:
    answer = stack.api.predict("recstack", {"user_id": 1, "k": 10})

    items = [item["item_id"] for item in answer["items"]]
    assert answer["policy"] == "personal"
    assert answer["model_version"] == current(stack.settings.lake / "models").path.name
    assert len(set(items)) == 10
    seen = stack.api.predict("recstack", {"user_id": 1, "k": 100, "include_seen": True})["items"]
    assert {item["item_id"] for item in seen} - set(items), "include_seen must offer more than the unseen ones"


def test_an_anonymous_user_and_a_user_without_history_get_answers(stack: Stack) -> None:
    anonymous = stack.api.predict("recstack", {"liked": [1, 2, 3]})
    unknown = stack.api.predict("recstack", {"user_id": 10**9})

    assert anonymous["policy"] == "cold_start"
    assert not {1, 2, 3} & {item["item_id"] for item in anonymous["items"]}
    assert unknown["policy"] == "popular"
    assert len(anonymous["items"]) == len(unknown["items"]) == 10


def test_prefect_shows_a_completed_run_with_its_artifacts(stack: Stack) -> None:
    runs = stack.prefect("/flow_runs/filter", {"flows": {"name": {"any_": ["pipeline"]}}})
    artifacts = stack.prefect("/artifacts/filter", {})

    assert "COMPLETED" in [run["state_type"] for run in runs]
    keys = {artifact["key"] for artifact in artifacts}
    assert {f"{DATASET}-{name}" for name in ("ingested", "features", "run", "metrics", "recommendations")} <= keys


def test_an_answer_leads_back_to_its_mlflow_run(stack: Stack) -> None:
    answer = stack.api.predict("recstack", {"user_id": 1})
    archive = stack.settings.model_store / f"recstack-{answer['model_version']}.mar"
    facts = json.loads(zipfile.ZipFile(archive).read("bundle.json"))["facts"]

    run = stack.mlflow("runs/get", run_id=facts["run_id"])["run"]
    version = stack.mlflow("registered-models/alias", name=f"recstack-{DATASET}", alias="champion")["model_version"]
    parameters = {entry["key"]: entry["value"] for entry in run["data"]["params"]}
    metrics = {entry["key"] for entry in run["data"]["metrics"]}

    assert run["info"]["status"] == "FINISHED"
    assert version["run_id"] == facts["run_id"]
    assert "first model" in {tag["key"]: tag["value"] for tag in version["tags"]}["champion_decision"]
    assert parameters["model"] == "fusion"
    assert {"test_ndcg_at_10", "validation_ndcg_at_10_best", "popularity/test_ndcg_at_10"} <= metrics
    digests = [entry["dataset"]["digest"] for entry in run["inputs"]["dataset_inputs"]]
    assert digests == [current(stack.settings.lake / "models").manifest["data"]]


def test_a_failed_step_shows_its_cause_in_prefect(stack: Stack) -> None:
    runs = stack.prefect("/flow_runs/filter", {"flows": {"name": {"any_": ["ingest"]}}})

    (failed,) = (run for run in runs if run["state_type"] == "FAILED")
    assert "ratings.csv" in failed["state"]["message"]
