"""What `infra.check` and `infra.drill` share: the running deployment as its host sees it.

Needs Python's standard library alone: a host that runs containers has no other packages.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from recstack.progress import say, working

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
PORTS = {
    "TORCHSERVE_PORT": 8080,
    "PREFECT_PORT": 4200,
    "MLFLOW_PORT": 5000,
    "FEAST_PORT": 6566,
    "FEAST_UI_PORT": 8888,
    "SPARK_PORT": 8088,
    "PROMETHEUS_PORT": 9090,
}
"""Ports on 127.0.0.1 and the settings that change them; the same as in compose.yaml."""
ONE_SHOT = {"buckets"}
"""Services that end when their work is done."""


def broken(message: str) -> NoReturn:
    """End with exit code 1 and the promise that does not hold."""
    sys.exit(f"BROKEN {message}")


def passed(message: str) -> None:
    """Print one promise that holds."""
    say(f"ok    {message}")


def settings() -> dict[str, str]:
    """Everything that `.env` holds."""
    lines = [line.partition("=") for line in (ROOT / ".env").read_text().splitlines() if not line.startswith("#")]
    return {name: value for name, _, value in lines}


def setting(name: str, default: str = "") -> str:
    """One setting; the environment wins over `.env`, as in Compose."""
    return os.environ.get(name) or settings().get(name) or default


def run(command: list[str | Path], stdin: str | None = None) -> str:
    """Standard output of a command; ends with its standard error where it fails."""
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        broken(f"{' '.join(map(str, command))}: {done.stderr.strip()[-500:]}")
    return done.stdout


def compose(*arguments: str, stdin: str | None = None) -> str:
    """Standard output of `infra/compose.sh`."""
    return run([ROOT / "infra" / "compose.sh", *arguments], stdin)


def in_worker(command: str) -> str:
    """Standard output of a shell command in the container `worker`."""
    return compose("exec", "-T", "worker", "sh", "-c", command)


def container_ids(*options: str) -> list[str]:
    """Ids of the deployment's containers; `--all` includes those that have ended."""
    return compose("ps", "--quiet", *options).split()


def unhealthy_services() -> list[str]:
    """Services whose container does not run or whose health check fails, each with its state."""
    states = compose("ps", "--all", "--format", "{{.Service}} {{.Health}} {{.State}} {{.ExitCode}}").splitlines()
    well = {f"{name}  exited 0" for name in ONE_SHOT}
    return [state for state in states if not state.endswith(" healthy running 0") and state not in well]


@dataclass(frozen=True)
class Reply:
    """Status and body of an HTTP answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def url(port: str, path: str) -> str:
    """Address of a published port, by the name of its setting."""
    return f"http://127.0.0.1:{setting(port, str(PORTS[port]))}{path}"


def request(
    address: str, body: Any = None, *, token: str | None = None, login: str | None = None, timeout: float = 10
) -> Reply:
    """Send GET, or POST with a JSON body.

    Args:
        address: URL.
        body: sent as JSON where it is not None.
        token: for the header `Authorization: Bearer`.
        login: `user:password` for the header `Authorization: Basic`.
        timeout: seconds.

    Raises:
        OSError: there was no answer. An answer with an error status is a `Reply`.
    """
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if login is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address, data, headers), timeout=timeout) as reply:
            return Reply(reply.status, reply.read())
    except HTTPError as error:
        return Reply(error.code, error.read())


def inference_token() -> str:
    """TorchServe's current token; it makes a new one at each start."""
    return compose("exec", "-T", "torchserve", "python", "-m", "serving.container", "token").strip()


def until(question: Callable[[], T | None], what: str, patience: float) -> T:
    """Call `question` every second until its result is true; a server that does not answer counts as "not yet".

    Args:
        question: what is waited for.
        what: the same in words, for the message.
        patience: seconds after which the promise is broken.
    """
    deadline = time.monotonic() + patience
    with working(f"waiting until {what}"):
        while time.monotonic() < deadline:
            try:
                if answer := question():
                    return answer
            except OSError:
                pass
            time.sleep(1)
    broken(f"not within {patience:.0f} s: {what}")
