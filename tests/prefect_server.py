"""A real Prefect server with one deployment, and the few calls that tests make to it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.operations.recovery import HEARTBEAT


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
    environment: dict[str, str]

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


@contextmanager
def prefect_server(home: Path) -> Iterator[Prefect]:
    """A server that runs within the block; Prefect's own client finds it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
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
                yield Prefect(url, deployment, environment)
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
