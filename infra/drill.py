"""Breaks a running deployment on purpose and asks each time whether it came back whole: `make drill`.

    python3 -m infra.drill [restarts redis worker volumes backup forget]

Each drill prints a line for each fault; the first promise that does not hold ends it with exit code 1.
"""

import json
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.deployment import (
    ROOT,
    Reply,
    broken,
    compose,
    container_ids,
    in_worker,
    inference_token,
    passed,
    request,
    run,
    setting,
    unhealthy_services,
    until,
    url,
)

QUERY = {"user_id": 1, "k": 5}
FORGOTTEN = 3
"""The user who is forgotten; after `forget` the deployment has their rows no more."""
ANSWERING_SERVICES = ("torchserve", "gateway")
"""One container each: nothing answers while it restarts."""
RECOVERY_SECONDS = 240
"""How long the stack may take to be healthy again; a killed flow run waits 90 of them for its heartbeats."""
RUN_SECONDS = 900
"""How long a run of the pipeline may take."""


def prefect(path: str, body: Any = None) -> Any:
    """Call Prefect's API.

    Raises:
        OSError: no answer, or an error status.
    """
    login = f"admin:{setting('PREFECT_PASSWORD')}"
    reply = request(url("PREFECT_PORT", f"/api/{path}"), body, login=login, timeout=20)
    if reply.status >= 400:
        raise OSError(f"Prefect answers {reply.status} to {path}: {reply.body[:300]!r}")
    return reply.json()


def start_run(deployment: str, **parameters: Any) -> str:
    """Start a deployment as its button does; the id of its run."""
    found = prefect(f"deployments/name/{deployment}")
    parameters |= {"dataset": setting("DATASET", "movielens_100k")}
    if deployment.startswith("pipeline/") and setting("DATA_FOLDER"):
        parameters["data"] = "/data"
    return str(prefect(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"])


def wait_for_run(run_id: str) -> dict[str, Any]:
    """The run, once it has completed; ends the drill if it fails. A run whose process died is started again."""

    def completed() -> dict[str, Any] | None:
        found: dict[str, Any] = prefect(f"flow_runs/{run_id}")
        if found["state_type"] in {"FAILED", "CANCELLED", "CRASHED"} and found["state"]["name"] != "ProcessDied":
            broken(f"run {found['name']} ended as {found['state']['name']}: {found['state']['message']}")
        return found if found["state_type"] == "COMPLETED" else None

    return until(completed, "the flow run completes", RUN_SECONDS)


def inventory() -> dict[str, Any]:
    """What the deployment holds: digests of its features, ids of its models, counts of its runs."""
    program = (ROOT / "infra" / "inventory.py").read_text()
    found: dict[str, Any] = json.loads(compose("exec", "-T", "worker", "python", "-", stdin=program))
    return found


def check_unchanged(before: dict[str, Any]) -> None:
    """Compare what the deployment holds with `before`; there may only be more flow runs."""
    after = inventory()
    if after["flow_runs"] < before["flow_runs"]:
        broken(f"{before['flow_runs'] - after['flow_runs']} flow runs are lost")
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    changed.pop("flow_runs", None)
    if changed:
        broken(f"not what it was: {changed}")


class Client(threading.Thread):
    """Requests recommendations five times a second, as a web shop would, and counts the results."""

    def __init__(self, user: int = QUERY["user_id"]) -> None:
        super().__init__(daemon=True)
        self._query = {**QUERY, "user_id": user}
        self.results: Counter[str] = Counter()
        self._over = threading.Event()
        self._token = ""

    def run(self) -> None:
        """Send requests until `stop`."""
        while not self._over.wait(0.2):
            self.results[self.ask()] += 1

    def ask(self) -> str:
        """Policy of one answer, or what went wrong. TorchServe makes a new token at each start."""
        try:
            reply = request(url("TORCHSERVE_PORT", "/predictions/recstack"), self._query, token=self._token)
        except OSError as error:
            return f"no answer ({type(error).__name__})"
        if reply.status == 401:
            self._token = inference_token()
            return "new token"
        return self._policy(reply)

    def policy(self) -> str:
        """The same, with a new token if it needs one."""
        found = self.ask()
        return self.ask() if found == "new token" else found

    @staticmethod
    def _policy(reply: Reply) -> str:
        if reply.status != 200:
            return f"status {reply.status}"
        answer = reply.json()
        return str(answer["policy"]) if len(answer["items"]) == QUERY["k"] else f"{len(answer['items'])} items"

    def stop(self) -> dict[str, int]:
        """Results by kind; "new token" is no failure."""
        self._over.set()
        self.join()
        return {kind: count for kind, count in self.results.most_common() if kind != "new token"}


@contextmanager
def answers_go_on(fault: str, may_fail: bool = False) -> Iterator[None]:
    """Send requests during a fault and until the stack is back; unless `may_fail`, every one must be answered."""
    client = Client()
    until(lambda: client.ask() == "personal", "answers are personal before the fault", RECOVERY_SECONDS)
    client.start()
    start = time.monotonic()
    yield
    until(lambda: not unhealthy_services(), f"all services are healthy after: {fault}", RECOVERY_SECONDS)
    until(lambda: client.ask() in {"personal", "popular"}, f"there are answers after: {fault}", RECOVERY_SECONDS)
    seconds, results = time.monotonic() - start, client.stop()
    failed = {kind: count for kind, count in results.items() if kind not in {"personal", "popular"}}
    if failed and not may_fail:
        broken(f"{fault}: TorchServe failed to answer: {failed}")
    passed(f"{fault}: back after {seconds:.0f} s; answers meanwhile: {results}")


def restarts() -> None:
    """Every service is restarted, one after the other; nothing is lost, and answers go on."""
    before = inventory()
    for service in sorted(compose("ps", "--services").split()):
        with answers_go_on(f"{service} restarted", may_fail=service in ANSWERING_SERVICES):
            compose("restart", "--timeout", "20", service)
    check_unchanged(before)
    passed("features, models, runs and the lake are what they were")


def redis() -> None:
    """The online store loses everything; one run of `materialize` restores it to the last bit."""
    before = inventory()
    with answers_go_on("Redis emptied, then materialize"):
        compose("exec", "-T", "redis", "redis-cli", "flushall")
        wait_for_run(start_run("materialize/default"))
    check_unchanged(before)
    passed(f"all features are as before: {before['features']}")


def worker() -> None:
    """The worker is killed while it trains; the run goes on by itself once there is a worker."""
    quick = {"blocks": 2}  # of `fusion`: what is tried is the restart, not the model
    run_id = start_run("pipeline/default", seed=int(time.time()), model_options=quick)
    checkpoints = f"/var/lib/recstack/{setting('DATASET', 'movielens_100k')}/lake/models/checkpoints"
    until(lambda: in_worker(f"ls {checkpoints}/*/*.pt 2>/dev/null || true"), "training has a checkpoint", 600)
    (container,) = container_ids("worker")
    with answers_go_on("worker killed in training"):
        run(["docker", "kill", container])
        time.sleep(5)
        run(["docker", "start", container])
        found = wait_for_run(run_id)
    passed(f"run {found['name']} completed at its run number {found['run_count']}")


def volumes() -> None:
    """A worker with empty volumes fetches everything from the object store and computes nothing."""
    wait_for_run(start_run("pipeline/default"))  # so that what is current is what it will fetch
    before = inventory()
    in_worker("rm -rf /var/lib/recstack/* /model_store/*; mkdir -p /var/lib/recstack/spark-events")
    found = wait_for_run(start_run("pipeline/default"))
    check_unchanged(before)  # a step that computed again would have made a run or a version
    passed(f"empty volumes filled from the object store in {found['total_run_time']:.0f} s, nothing computed again")


def backup() -> None:
    """Everything is backed up while a flow runs, wiped, and put back; the backup has waited for the run."""
    folder = f"backups/drill-{int(time.time())}"
    run_id = start_run("materialize/default")
    until(lambda: prefect(f"flow_runs/{run_id}")["state_type"] == "RUNNING", "materialize runs", 120)
    run([ROOT / "infra" / "backup.sh", folder])
    if (state := prefect(f"flow_runs/{run_id}")["state_type"]) != "COMPLETED":
        broken(f"the backup was made while a run was {state}")
    before = inventory()
    compose("exec", "-T", "redis", "redis-cli", "flushall")
    in_worker("rm -rf /var/lib/recstack/* /model_store/*")
    compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "mlflow", "-qc", "truncate runs cascade")
    compose("stop", "objectstore")
    compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "objectstore", "-c", "rm -rf /data/*")
    run([ROOT / "infra" / "restore.sh", folder])
    until(lambda: not unhealthy_services(), "all services are healthy after the restore", RECOVERY_SECONDS)
    check_unchanged(before)
    client = Client()
    until(lambda: client.ask() == "personal", "answers are personal after the restore", RECOVERY_SECONDS)
    shutil.rmtree(ROOT / folder)
    wait_for_run(start_run("materialize/default"))
    passed(
        "backed up during a run, wiped, restored: features, models, runs, the lake are as before, and runs start again"
    )


def forget() -> None:
    """A user asks to be forgotten: nothing is known of them, also after the store is loaded again."""
    client = Client(user=FORGOTTEN)
    until(lambda: client.ask() == "personal", f"user {FORGOTTEN} gets personal answers", RECOVERY_SECONDS)
    for deployment, parameters in (("forget/default", {"user": str(FORGOTTEN)}), ("materialize/default", {})):
        wait_for_run(start_run(deployment, **parameters))
        if (policy := client.policy()) != "popular":
            broken(f"after {deployment} the forgotten user {FORGOTTEN} gets the policy {policy}")
    if (policy := Client().policy()) != "personal":
        broken(f"user {QUERY['user_id']} was not forgotten, and gets the policy {policy}")
    passed(f"user {FORGOTTEN} is forgotten: the policy is popular, also after another load; others are known")


DRILLS = {drill.__name__: drill for drill in (restarts, redis, worker, volumes, backup, forget)}

if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - DRILLS.keys():
        sys.exit(f"drill: there is no {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    for name in sys.argv[1:] or DRILLS:
        DRILLS[name]()
