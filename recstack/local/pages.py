"""Starts and stops the web pages of Prefect and MLflow on the embedded state."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from recstack.errors import UserError
from recstack.settings import Settings

START_SECONDS = 120
STOP_SECONDS = 15
LOG_LINES = 20


@dataclass(frozen=True)
class _Page:
    name: str
    address: str
    setting: str
    health: str
    command: tuple[str, ...]
    home: Path

    @property
    def log(self) -> Path:
        return self.home / f"{self.name.lower()}.log"

    @property
    def pid_file(self) -> Path:
        return self.home / f"{self.name.lower()}.pid"

    @property
    def pid(self) -> int | None:
        """The running server's process id; a number that the system gave to another process since is not ours."""
        try:
            noted = json.loads(self.pid_file.read_text())
            running = Path(f"/proc/{noted['pid']}/cmdline").read_text().rstrip("\0").split("\0")
        except (OSError, ValueError):
            return None
        return int(noted["pid"]) if running == noted["command"] else None

    def answers(self) -> bool:
        try:
            with urlopen(self.address + self.health, timeout=2) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False


def start_pages(settings: Settings) -> list[str]:
    """Start the servers that do not run yet, wait until they answer, and say where they are.

    Returns:
        One line a page, with its name and address.

    Raises:
        UserError: a port is taken, or a server ends or does not answer; with the end of its log.
    """
    pages = list(_pages(settings))
    for page in pages:
        if page.pid is None:
            _launch(page, settings)
    for page in pages:
        _wait_until_it_answers(page)
    return [f"{page.name:<8} {page.address}" for page in pages]


def stop_pages(settings: Settings) -> None:
    """End the servers that `start_pages` started, and nothing else; does nothing where none runs."""
    for page in _pages(settings):
        pid = page.pid
        if pid is not None:
            _end_group(pid)
        page.pid_file.unlink(missing_ok=True)


def _pages(settings: Settings) -> Iterator[_Page]:
    home = settings.recstack_home / "web"
    address = settings.prefect_page.rstrip("/")
    command = (sys.executable, "-m", "prefect", "server", "start", *_bind(address))
    yield _Page("Prefect", address, "PREFECT_PAGE", "/api/health", command, home)
    address = settings.mlflow_page.rstrip("/")
    store = ("--backend-store-uri", settings.tracking_uri, "--artifacts-destination", settings.artifacts)
    command = (sys.executable, "-m", "mlflow", "server", *_bind(address), "--workers", "1", *store)
    yield _Page("MLflow", address, "MLFLOW_PAGE", "/health", command, home)


def _bind(address: str) -> tuple[str, ...]:
    parts = urlsplit(address)
    return "--host", parts.hostname or "127.0.0.1", "--port", str(parts.port or 80)


def _launch(page: _Page, settings: Settings) -> None:
    parts = urlsplit(page.address)
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((parts.hostname or "127.0.0.1", parts.port or 80)) == 0:
            raise UserError(
                f"{page.name}'s page can't start: port {parts.port} is taken by another process. "
                f"Stop that, or set {page.setting} to an address with a free port."
            )
    page.home.mkdir(parents=True, exist_ok=True)
    environment = {
        **settings.child_environment(),
        "PREFECT_HOME": str(settings.recstack_home / "prefect"),
        "PREFECT_UI_API_URL": f"{settings.prefect_page.rstrip('/')}/api",  # the page's scripts ask port 4200 otherwise
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # more processes, for language models alone
    }
    with page.log.open("w") as log:
        process = subprocess.Popen(
            page.command,
            cwd=page.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this command, and its children can be ended with it
        )
    page.pid_file.write_text(json.dumps({"pid": process.pid, "command": page.command}))
    while page.pid is None and process.poll() is None:  # for a moment after it starts, a process has no command line
        time.sleep(0.01)


def _wait_until_it_answers(page: _Page) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not page.answers():
        if page.pid is None or time.monotonic() > deadline:
            tail = "\n".join(page.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
            raise UserError(f"{page.name}'s page does not answer at {page.address}. {page.log} ends with:\n{tail}")
        time.sleep(0.2)


def _end_group(leader: int) -> None:
    """End a process and its children: politely, then surely."""
    deadline = time.monotonic() + STOP_SECONDS
    try:
        os.killpg(leader, signal.SIGTERM)
        while time.monotonic() < deadline:
            _reap(leader)
            os.killpg(leader, 0)
            time.sleep(0.1)
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Let a child go that has ended; a zombie would keep its group alive for the process that started it."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
