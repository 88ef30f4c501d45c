"""Starts and stops the embedded TorchServe: loopback, tokens on, archives from the model store alone."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from recstack.errors import UserError
from recstack.settings import SERVING, Settings
from recstack.torchserve.api import Api

CONFIG = SERVING / "config.properties"
LOGGING = SERVING / "log4j2.xml"
TORCHSERVE = (sys.executable, "-m", "ts.model_server")
START_SECONDS = 60
LONGEST_SOCKET_FOLDER = 80  # Linux allows 107 bytes for the path of a socket, and TorchServe adds its name


class ServerError(UserError):
    """TorchServe could not be started or stopped; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """One embedded TorchServe."""

    home: Path
    """Working folder: key file, logs, temporary files."""
    model_store: Path
    inference_url: str
    management_url: str
    metrics_url: str
    keys: Path
    """Its tokens; TorchServe writes them into its working folder."""
    environment: Mapping[str, str]
    """Of the server and, through it, of its workers: they read the same settings."""

    @property
    def api(self) -> Api:
        """How to talk to it."""
        return Api(self.inference_url, self.management_url, self.keys)

    @property
    def temporary(self) -> Path:
        """Holds the pid file, unpacked archives and the workers' sockets, apart from any other TorchServe's."""
        inside = self.home / "tmp"
        if len(str(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"recstack-torchserve-{name}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server, None when it is not running."""
        file = self.temporary / ".model_server.pid"
        try:
            pid = int(file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"org.pytorch.serve.ModelServer" in command else None


def embedded(settings: Settings) -> Server:
    """The TorchServe of these settings."""
    return Server(
        home=settings.serving_home,
        model_store=settings.model_store,
        inference_url=settings.torchserve_inference,
        management_url=settings.torchserve_management,
        metrics_url=settings.torchserve_metrics,
        keys=settings.token_file,
        environment=settings.child_environment(),
    )


def start(server: Server) -> None:
    """Start TorchServe and wait until it is healthy; does nothing if it runs already.

    Raises:
        ServerError: a port is taken, Java is missing, or it does not become healthy; with the end of its log.
    """
    if server.pid is not None and server.api.healthy():
        return
    stop(server)
    _check_ports(server)
    for folder in (server.home, server.temporary):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise ServerError(f"{folder} belongs to another user: remove it, or set RECSTACK_HOME elsewhere")
    server.model_store.mkdir(parents=True, exist_ok=True)
    command = [*TORCHSERVE, "--start", "--ncs", "--ts-config", str(CONFIG), "--log-config", str(LOGGING)]
    command += ["--model-store", str(server.model_store)]
    with (server.home / "console.log").open("w") as console:
        subprocess.run(
            command,
            cwd=server.home,
            env=_environment(server),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal that started it is not meant for it
            check=False,
        )
    deadline = time.monotonic() + START_SECONDS
    while not server.api.healthy():
        if server.pid is None or time.monotonic() > deadline:
            tail = _tail(server.home / "console.log")
            stop(server)
            raise ServerError(f"TorchServe did not become healthy within {START_SECONDS} s. Its log ends with:\n{tail}")
        time.sleep(0.2)


def stop(server: Server) -> None:
    """Stop TorchServe and wait until its ports are free; does nothing if it is not running.

    Raises:
        ServerError: it does not end.
    """
    if server.pid is not None:
        command = [*TORCHSERVE, "--stop", "--foreground"]
        done = subprocess.run(
            command, cwd=server.home, env=_environment(server), capture_output=True, text=True, check=False
        )
        deadline = time.monotonic() + START_SECONDS
        while server.pid is not None or any(_taken(url) for url in _urls(server)):
            if time.monotonic() > deadline:
                raise ServerError(f"TorchServe (pid {server.pid}) does not end: {done.stdout}{done.stderr}")
            time.sleep(0.2)
    shutil.rmtree(server.temporary, ignore_errors=True)  # a pid file of a killed server, unpacked archives


def _environment(server: Server) -> dict[str, str]:
    return {
        **server.environment,
        # Feast puts type checks into its functions, 2.5 s of each start, unless Python is asked to optimize.
        "PYTHONOPTIMIZE": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # or it would be compiled anew at each start
        "OMP_NUM_THREADS": "1",  # two busy BLAS threads on two cores raise the p99 a hundredfold; scale by workers
        "TMPDIR": str(server.temporary),
        "TEMP": str(server.temporary),
        "TS_INFERENCE_ADDRESS": server.inference_url,
        "TS_MANAGEMENT_ADDRESS": server.management_url,
        "TS_METRICS_ADDRESS": server.metrics_url,
        "TS_ALLOWED_URLS": f"file://{server.model_store}/.*",
    }


def _urls(server: Server) -> tuple[str, str, str]:
    return server.inference_url, server.management_url, server.metrics_url


def _check_ports(server: Server) -> None:
    for url, setting in zip(_urls(server), ("INFERENCE", "MANAGEMENT", "METRICS"), strict=True):
        if _taken(url):
            raise ServerError(
                f"port {urlsplit(url).port} is taken by another process: stop it, or set TORCHSERVE_{setting} "
                f"to an address with a free port, e.g. http://127.0.0.1:{(urlsplit(url).port or 0) + 10}"
            )


def _taken(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname or "127.0.0.1", parts.port or 80)) == 0


def _tail(file: Path, lines: int = 30) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else "(no log)"
