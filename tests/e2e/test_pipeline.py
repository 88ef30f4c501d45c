"""The whole way on a small dataset, with real Prefect, MLflow, Spark, Feast and TorchServe, killed on the way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from checkout import ROOT
from s3_server import BUCKET, KEYS, S3Server

from recstack.local.pages import start_pages, stop_pages
from recstack.settings import Settings
from recstack.storage.lake import current
from recstack.torchserve.api import Api
from recstack.torchserve.embedded import embedded, start, stop

pytestmark = pytest.mark.timeout(900)  # the first test waits for three runs of the pipeline

DATASET = "synthetic"
PARAMETERS = {
    "dataset": DATASET,
    "dataset_options": {"n_users": 300, "n_items": 200, "n_genres": 8, "mean_ratings": 40},
    "model_options": {"epochs": 3},
}
PROGRAM = "import json, sys; from flows.pipeline import pipeline; print('SERVED', pipeline(**json.loads(sys.argv[1])))"


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class Stack:
    settings: Settings
    environment: dict[str, str]
    outputs: list[str]

    @property
    def api(self) -> Api:
        return embedded(self.settings).api

    def launch(self) -> subprocess.Popen[str]:
        """The pipeline in a process group of its own, so that a kill takes its JVM along."""
        command = [sys.executable, "-c", PROGRAM, json.dumps(PARAMETERS)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, text=True, start_new_session=True, **pipes)

    def run(self) -> str:
        process = self.launch()
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output[-6000:]
        return output

    def kill_when(self, pattern: str) -> None:
        """kill -9 as soon as a file of this pattern is in the lake."""
        process = self.launch()
        deadline = time.monotonic() + 400
        while not any(self.settings.lake.glob(pattern)):
            assert process.poll() is None, f"the pipeline ended before {pattern} was there"
            assert time.monotonic() < deadline, f"{pattern} never came"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def prefect(self, path: str, body: dict[str, Any]) -> Any:
        address = f"{self.settings.prefect_page}/api{path}"
        request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request) as response:
            return json.load(response)


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
        start(embedded(settings))
        stack = Stack(settings, environment, [])
        stack.kill_when("models/checkpoints/*/search.pt")
        stack.outputs.append(stack.run())
        yield stack
    finally:
        stop(embedded(settings))
        stop_pages(settings)


def test_a_run_after_a_kill_finishes_and_each_step_says_what_it_made(stack: Stack) -> None:
    lines = stack.outputs[0]
    for step in ("ingest", "build_features", "materialize", "train", "evaluate", "archive", "deploy"):
        assert any(line.startswith(step) for line in lines.splitlines()), f"no line for {step} in:\n{lines}"
    assert not [path for path in stack.settings.lake.rglob(".draft-*")]
    assert not [path for path in stack.settings.lake.rglob("*.pt") if "checkpoints" in path.parts]


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


def test_a_stranger_and_an_unknown_user_get_answers(stack: Stack) -> None:
    stranger = stack.api.predict("recstack", {"liked": [1, 2, 3]})
    unknown = stack.api.predict("recstack", {"user_id": 10**9})

    assert stranger["policy"] == "cold_start"
    assert not {1, 2, 3} & {item["item_id"] for item in stranger["items"]}
    assert unknown["policy"] == "popular"
    assert len(stranger["items"]) == len(unknown["items"]) == 10


def test_prefect_shows_a_completed_run_with_artifacts_that_a_person_reads(stack: Stack) -> None:
    runs = stack.prefect("/flow_runs/filter", {"flows": {"name": {"any_": ["pipeline"]}}})
    artifacts = stack.prefect("/artifacts/filter", {})

    assert "COMPLETED" in [run["state_type"] for run in runs]
    keys = {artifact["key"] for artifact in artifacts}
    assert {f"{DATASET}-{name}" for name in ("ingested", "features", "run", "metrics", "recommendations")} <= keys


def test_an_answer_is_followed_back_to_its_mlflow_run(stack: Stack) -> None:
    answer = stack.api.predict("recstack", {"user_id": 1})
    archive = stack.settings.model_store / f"recstack-{answer['model_version']}.mar"
    program = (
        "import json, sys, zipfile, mlflow\n"
        "facts = json.loads(zipfile.ZipFile(sys.argv[1]).read('bundle.json'))['facts']\n"
        "client = mlflow.MlflowClient()\n"
        "run = client.get_run(facts['run_id'])\n"
        "version = client.get_model_version_by_alias('recstack-synthetic', 'champion')\n"
        "print(json.dumps({'run': run.info.status, 'metrics': list(run.data.metrics), 'params': run.data.params,\n"
        "    'same': version.run_id == facts['run_id'], 'reason': version.tags['champion_decision'],\n"
        "    'inputs': [i.dataset.digest for i in run.inputs.dataset_inputs]}))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(archive)], env=stack.environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])

    assert found["run"] == "FINISHED"
    assert found["same"] and "first model" in found["reason"]
    assert found["params"]["model"] == "fusion"
    assert {"test_ndcg_at_10", "validation_ndcg_at_10_best", "popularity/test_ndcg_at_10"} <= set(found["metrics"])
    assert found["inputs"] == [current(stack.settings.lake / "models").manifest["data"]]


def test_a_failed_step_shows_its_cause_in_prefect(stack: Stack) -> None:
    program = "from flows.ingest import ingest; ingest('movielens_25m', '/nowhere')"
    failed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=False
    )

    assert failed.returncode != 0
    runs = stack.prefect("/flow_runs/filter", {"flows": {"name": {"any_": ["ingest"]}}})
    messages = [run["state"]["message"] or "" for run in runs if run["state_type"] == "FAILED"]
    assert any("ratings.csv" in message for message in messages), messages
    assert Path(stack.settings.lake / "interactions").exists()
