"""Prefect's real server restarts runs whose process died, and no run that has ended; alarms are made by silence."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.operations.recovery import DIED, HEARTBEAT, automations, register

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("recovery")]

SILENCE = timedelta(seconds=10)
"""The least that Prefect allows."""


def request(method: str, url: str, body: Any = None) -> Any:
    """Call Prefect's API; while its SQLite is locked it answers 503."""
    deadline = time.monotonic() + 60
    while (answer := httpx.request(method, url, json=body, timeout=60)).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return answer.raise_for_status().json() if answer.content else None


@dataclass(frozen=True)
class Prefect:
    url: str
    deployment: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return request(method, self.url + path, body)

    def start_run(self) -> str:
        """A run of the deployment that is running, as far as the server knows."""
        run = str(self.call("POST", f"/deployments/{self.deployment}/create_flow_run", {})["id"])
        self.set_states(run, "PENDING", "RUNNING")
        return run

    def set_states(self, run: str, *states: str) -> None:
        for state in states:
            answer = self.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}})
            assert answer["status"] == "ACCEPT", answer

    def state(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/flow_runs/{run}")["state"]
        return found

    def heartbeat(self, run: str) -> None:
        """What a run's process sends; the next ones fail to come."""
        event = {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": HEARTBEAT,
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
            "related": [
                {
                    "prefect.resource.id": f"prefect.deployment.{self.deployment}",
                    "prefect.resource.role": "deployment",
                }
            ],
        }
        self.call("POST", "/events", [event])

    def wait_for(self, run: str, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (state := self.state(run))["name"] != name:
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        return state


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    }
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/api"
    with (home / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            _wait_until_healthy(url, server, home / "log")
            flow = request("POST", f"{url}/flows/", {"name": "training"})["id"]
            deployment = request("POST", f"{url}/deployments/", {"name": "default", "flow_id": flow})["id"]
            with temporary_settings({PREFECT_API_URL: url}):
                register(automations(SILENCE))
                yield Prefect(url, deployment)
        finally:
            server.terminate()


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)


def test_a_run_whose_process_died_is_started_again_twice_and_then_left_with_a_message(prefect: Prefect) -> None:
    run = prefect.start_run()
    for _ in range(2):
        prefect.heartbeat(run)
        prefect.wait_for(run, "AwaitingRetry")
        prefect.set_states(run, "PENDING", "RUNNING")
    prefect.heartbeat(run)
    state = prefect.wait_for(run, DIED)
    assert "after 3 starts find the cause" in state["message"]
    probe = prefect.start_run()  # by the time that it is restarted, the other one would have been
    prefect.heartbeat(probe)
    prefect.wait_for(probe, "AwaitingRetry")
    assert prefect.state(run)["name"] == DIED


def test_a_false_alarm_starts_no_run_that_has_ended(prefect: Prefect) -> None:
    ends = {prefect.start_run(): end for end in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")}
    for run, end in ends.items():
        prefect.set_states(run, end)
    ended = {run: prefect.state(run) for run in ends}
    for run in ends:
        prefect.heartbeat(run)  # sent before the end, but it arrives after it: then silence
    for _ in range(2):
        probe = prefect.start_run()
        prefect.heartbeat(probe)
        prefect.wait_for(probe, "AwaitingRetry")
    assert {run: prefect.state(run) for run in ends} == ended


def test_registering_again_changes_nothing_and_another_version_replaces_this_one(prefect: Prefect) -> None:
    def registered() -> dict[str, str]:
        return {each["name"]: each["id"] for each in prefect.call("POST", "/automations/filter", {})}

    before = registered()
    register(automations(SILENCE))
    assert registered() == before
    register(automations(2 * SILENCE))
    assert len(registered()) == 2
    assert not set(registered()) >= set(before)
    register(automations(SILENCE))
    assert registered().keys() == before.keys()
