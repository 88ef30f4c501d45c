"""The three servers, each on free ports of loopback: ours, a first-time user's, and the same engine in uvicorn."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from answering.workspace import VERSION, Workspace, free_port
from recstack.archive.mar import build_archive
from recstack.release.rollout import MODEL_NAME, switch_version
from recstack.torchserve.server import TORCHSERVE, Server, server_of, start_server, stop_server

WORKERS = len(os.sched_getaffinity(0)) + 1
"""One more than cores: while a worker of TorchServe waits for the front end, another one computes."""
HERE = Path(__file__).parent
PATH = f"/predictions/{MODEL_NAME}"


@dataclass(frozen=True)
class Target:
    """Where to ask, and with which token."""

    name: str
    url: str
    token: str

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """One answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(self.url, json=body, headers=headers, timeout=60).raise_for_status()
        values: dict[str, Any] = answer.json()
        return values


@contextmanager
def all_servers(workspace: Workspace) -> Iterator[tuple[Target, Target, Target]]:
    """Ours, naive, uvicorn; each answers when the block begins."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(ours(workspace))[0],
            stack.enter_context(naive(workspace)),
            stack.enter_context(uvicorn(workspace)),
        )


def _address() -> str:
    return f"http://127.0.0.1:{free_port()}"


@contextmanager
def ours(workspace: Workspace) -> Iterator[tuple[Target, Server]]:
    """As `recstack.torchserve.server` starts it and `switch_version` installs it."""
    addresses = {f"torchserve_{name}": _address() for name in ("inference", "management", "metrics")}
    settings = workspace.settings.model_copy(update={**addresses, "torchserve_workers": WORKERS})
    server = server_of(settings)
    start_server(server)
    try:
        switch_version(server.api, workspace.archive, MODEL_NAME, VERSION, settings)
        yield Target("recstack on TorchServe", server.inference_url + PATH, server.api.token("inference")), server
    finally:
        stop_server(server)


@contextmanager
def naive(workspace: Workspace) -> Iterator[Target]:
    """TorchServe as it comes, but for its addresses."""
    home = workspace.settings.recstack_home / "naive"
    home.mkdir()
    bundle = workspace.settings.recstack_home.parent / "bundle"
    build_archive(bundle, HERE / "naive_handler.py", home / "store", MODEL_NAME, VERSION)
    inference = _address()
    addresses = {"inference_address": inference, "management_address": _address(), "metrics_address": _address()}
    ports = {"grpc_inference_port": free_port(), "grpc_management_port": free_port()}
    (home / "config.properties").write_text("\n".join(f"{k}={v}" for k, v in {**addresses, **ports}.items()))
    environment = {**workspace.settings.child_environment(), "TMPDIR": str(home), "TEMP": str(home)}
    environment.pop("OMP_NUM_THREADS", None)
    command = [*TORCHSERVE, "--foreground", "--ncs", "--model-store", str(home / "store"), "--ts-config"]
    command += [str(home / "config.properties"), "--models", f"{MODEL_NAME}={MODEL_NAME}-{VERSION}.mar"]
    with _process(command, home, environment) as process:
        keys = home / "key_file.json"

        def target() -> Target:
            return Target("first-time user's", inference + PATH, json.loads(keys.read_text())["inference"]["key"])

        _wait(process, lambda: bool(target().ask({"user_id": 1})))
        yield target()


@contextmanager
def uvicorn(workspace: Workspace) -> Iterator[Target]:
    """The engine in uvicorn with as many processes as TorchServe has workers."""
    bundle = workspace.settings.recstack_home.parent / "bundle"
    environment = {**workspace.settings.child_environment(), "BUNDLE": str(bundle), "OMP_NUM_THREADS": "1"}
    port = free_port()
    options = ["--workers", str(WORKERS), "--port", str(port), "--log-level", "warning", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", "answering.uvicorn_app:app", "--app-dir", str(HERE.parent), *options]
    with _process(command, HERE.parent, environment) as process:
        target = Target("the engine in uvicorn", f"http://127.0.0.1:{port}{PATH}", "-")
        _wait(process, lambda: bool(target.ask({"user_id": 1})))
        time.sleep(5)  # nothing tells when its other processes are ready
        yield target


@contextmanager
def _process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / f"{Path(command[2]).name}.log").open("w") if folder != HERE.parent else open("/dev/null", "w") as log
    ):
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # Java and the workers too: they outlive the script that starts them
            process.wait(timeout=60)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float = 120) -> None:
    """Until it is ready.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if ready():
                return
        except (httpx.HTTPError, OSError, ValueError):  # not up, or its key file is not written yet
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{process.args} did not answer")
