#!/usr/bin/env python3
"""Breaks a running deployment on purpose and asks each time whether it came back whole: make drill.

    infra/drill.py [restarts redis worker volumes backup]

Each drill prints a line a fault; the first promise that is broken ends it with exit code 1. Runs on the host, with what
Python brings alone.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
SERVERS_OF_ANSWERS = ("torchserve", "gateway")
PATIENCE = 240
"""Seconds that the stack may take to be healthy again; a killed flow run waits 90 of them for its heartbeats."""


def compose(*arguments: str, given: str | None = None) -> str:
    """What `infra/compose.sh` prints."""
    done = subprocess.run(
        [ROOT / "infra" / "compose.sh", *arguments], cwd=ROOT, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        broken(f"compose {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def in_worker(command: str) -> str:
    """What a shell command prints in the worker."""
    return compose("exec", "-T", "worker", "sh", "-c", command)


def broken(message: str) -> None:
    """End with what was promised and is not so."""
    sys.exit(f"BROKEN {message}")


def passed(message: str) -> None:
    """Say what held."""
    print(f"ok    {message}", flush=True)


def setting(name: str, default: str = "") -> str:
    """A setting of the deployment: the environment wins over `.env`, as in Compose."""
    lines = [line.partition("=") for line in (ROOT / ".env").read_text().splitlines()]
    return os.environ.get(name) or {key: value for key, _, value in lines}.get(name) or default


def prefect(path: str, body: Any = None) -> Any:
    """Prefect's API."""
    login = base64.b64encode(f"admin:{setting('PREFECT_PASSWORD')}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{setting('PREFECT_PORT', '4200')}/api/{path}"
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=20) as reply:
        return json.load(reply)


def start_run(deployment: str, **parameters: Any) -> str:
    """Start a deployment as its button does; the id of its run."""
    found = prefect(f"deployments/name/{deployment}")
    parameters |= {"dataset": setting("DATASET", "movielens_100k")}
    if deployment.startswith("pipeline/") and setting("DATA_FOLDER"):
        parameters["data"] = "/data"
    return str(prefect(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"])


def completed(run: str) -> dict[str, Any]:
    """Wait for a run; it must complete."""

    def state() -> dict[str, Any] | None:
        found: dict[str, Any] = prefect(f"flow_runs/{run}")
        if found["state_type"] in {"FAILED", "CANCELLED", "CRASHED"}:
            broken(f"run {found['name']} ended as {found['state']['name']}: {found['state']['message']}")
        return found if found["state_type"] == "COMPLETED" else None

    return until(state, "the run completes", 900)


def until(question: Any, what: str, patience: float = PATIENCE) -> Any:
    """Ask until the answer is true."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
        except (URLError, OSError):  # a server that is coming back
            pass
        time.sleep(1)
    broken(f"not within {patience:.0f} s: {what}")


def all_healthy() -> bool:
    """Whether every service runs and says that it is well."""
    states = compose("ps", "--format", "{{.Health}} {{.State}}").split("\n")
    return all(state == "healthy running" for state in states if state)


def inventory() -> dict[str, Any]:
    """What the deployment holds."""
    found: dict[str, Any] = json.loads(
        compose("exec", "-T", "worker", "python", "-", given=(ROOT / "infra" / "inventory.py").read_text())
    )
    return found


def unchanged(before: dict[str, Any]) -> None:
    """Compare what is held now with what was held; flow runs may only have become more."""
    after = inventory()
    if after["flow_runs"] < before["flow_runs"]:
        broken(f"{before['flow_runs'] - after['flow_runs']} flow runs are lost")
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    changed.pop("flow_runs", None)
    if changed:
        broken(f"not what it was: {changed}")


class Client(threading.Thread):
    """Asks for recommendations five times a second, as a web shop would; counts what comes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: Counter[str] = Counter()
        self._over = threading.Event()
        self._token = ""

    def run(self) -> None:
        """Ask until `stop`."""
        while not self._over.wait(0.2):
            self.seen[self.ask()] += 1

    def ask(self) -> str:
        """Policy of one answer, or what went wrong. TorchServe makes a new token whenever it starts."""
        url = f"http://127.0.0.1:{setting('TORCHSERVE_PORT', '8080')}/predictions/recstack"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            with urlopen(Request(url, b'{"user_id": 1, "k": 5}', headers), timeout=10) as reply:
                answer = json.load(reply)
            return str(answer["policy"]) if len(answer["items"]) == 5 else f"{len(answer['items'])} items"
        except HTTPError as error:
            if error.code == 401:
                self._token = compose("exec", "-T", "torchserve", "python", "-m", "serving.container", "token").strip()
                return "new token"
            return f"status {error.code}"
        except (URLError, OSError) as error:
            return f"no answer ({type(error).__name__})"

    def stop(self) -> dict[str, int]:
        """What came, by kind; "new token" is no failure."""
        self._over.set()
        self.join()
        return {kind: count for kind, count in self.seen.most_common() if kind != "new token"}


@contextmanager
def asked(what: str, may_fail: bool = False) -> Iterator[None]:
    """Ask all the time while `what` happens and the stack comes back; every answer must be one."""
    client = Client()
    until(lambda: client.ask() == "personal", "answers before the fault")
    client.start()
    start = time.monotonic()
    yield
    until(all_healthy, f"all services are healthy after: {what}")
    until(lambda: client.ask() in {"personal", "popular"}, f"answers after: {what}")
    seconds, seen = time.monotonic() - start, client.stop()
    if failed := {kind: n for kind, n in seen.items() if kind not in {"personal", "popular"}}:
        if not may_fail:
            broken(f"{what}: TorchServe failed to answer: {failed}")
    passed(f"{what}: back after {seconds:.0f} s; answers meanwhile: {seen}")


def restarts() -> None:
    """Every service, one after the other; nothing is lost, and answers go on."""
    before = inventory()
    for service in sorted(compose("ps", "--services").split()):
        with asked(f"{service} restarted", may_fail=service in SERVERS_OF_ANSWERS):
            compose("restart", "--timeout", "20", service)
    unchanged(before)
    passed("features, models, runs and the lake are what they were")


def redis() -> None:
    """The online store loses everything; one run of `materialize` brings it back to the last bit."""
    before = inventory()
    with asked("Redis emptied, then materialize"):
        compose("exec", "-T", "redis", "redis-cli", "flushall")
        completed(start_run("materialize/default"))
    unchanged(before)
    passed(f"all features are as before: {before['features']}")


def worker() -> None:
    """The worker is killed while it trains; the run goes on by itself once there is a worker."""
    run = start_run("pipeline/default", seed=int(time.time()))
    checkpoints = f"/var/lib/recstack/{setting('DATASET', 'movielens_100k')}/lake/models/checkpoints"
    until(lambda: in_worker(f"ls {checkpoints}/*/*.pt 2>/dev/null || true"), "training has a checkpoint", 600)
    container = compose("ps", "--quiet", "worker").split()[0]
    with asked("worker killed in training"):
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
        time.sleep(5)
        subprocess.run(["docker", "start", container], check=True, capture_output=True)
        found = completed(run)
    passed(f"run {found['name']} completed at its run number {found['run_count']}")


def volumes() -> None:
    """A worker whose volumes are empty fills itself from the object store and computes nothing."""
    completed(start_run("pipeline/default"))  # so that what is current is what it will bring
    before = inventory()
    in_worker("rm -rf /var/lib/recstack/* /model_store/*; mkdir -p /var/lib/recstack/spark-events")
    found = completed(start_run("pipeline/default"))
    unchanged(before)  # a step that computed again would have made a run or a version
    passed(f"empty volumes filled from the object store in {found['total_run_time']:.0f} s, nothing computed again")


def backup() -> None:
    """Everything is backed up, wiped, and put back."""
    before = inventory()
    folder = f"backups/drill-{int(time.time())}"
    subprocess.run([ROOT / "infra" / "backup.sh", folder], cwd=ROOT, check=True, capture_output=True)
    compose("exec", "-T", "redis", "redis-cli", "flushall")
    in_worker("rm -rf /var/lib/recstack/* /model_store/*")
    compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "mlflow", "-qc", "truncate runs cascade")
    compose("stop", "objectstore")
    compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "objectstore", "-c", "rm -rf /data/*")
    subprocess.run([ROOT / "infra" / "restore.sh", folder], cwd=ROOT, check=True)
    until(all_healthy, "all services are healthy after the restore")
    unchanged(before)
    client = Client()
    until(lambda: client.ask() == "personal", "personal answers after the restore")
    shutil.rmtree(ROOT / folder)
    passed("backed up, wiped, restored: features, models, runs and the lake are what they were")


if __name__ == "__main__":
    drills = {drill.__name__: drill for drill in (restarts, redis, worker, volumes, backup)}
    for name in sys.argv[1:] or drills:
        if name not in drills:
            sys.exit(f"drill: there is no {name!r}; there are {', '.join(drills)}")
        drills[name]()
