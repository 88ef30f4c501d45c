"""The TorchServe that recstack starts: on loopback, tokens on, archives from the model store only."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from recstack.settings import SERVING, Settings
from recstack.torchserve.api import Api
from recstack.torchserve.background import BackgroundServer, ServerError

CONFIG: Final = SERVING / "config.properties"
LOGGING: Final = SERVING / "log4j2.xml"
TORCHSERVE: Final = (sys.executable, "-m", "ts.model_server")
START_SECONDS: Final = 60
LONGEST_SOCKET_FOLDER: Final = 80
"""Linux allows 107 bytes for the path of a socket, and TorchServe adds its name."""


@dataclass(frozen=True)
class Server:
    """One TorchServe that runs in the background."""

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
    config: Path = CONFIG

    @cached_property
    def api(self) -> Api:
        """Its REST API."""
        return Api(self.inference_url, self.management_url, self.keys)

    @property
    def background(self) -> BackgroundServer:
        """Its process."""
        command = [*TORCHSERVE, "--foreground", "--ncs", "--ts-config", str(self.config), "--log-config", str(LOGGING)]
        return BackgroundServer(
            name="TorchServe",
            command=(*command, "--model-store", str(self.model_store)),
            home=self.home,
            environment=self._process_environment(),
            addresses={
                "TORCHSERVE_INFERENCE": self.inference_url,
                "TORCHSERVE_MANAGEMENT": self.management_url,
                "TORCHSERVE_METRICS": self.metrics_url,
            },
            answers=self.api.healthy,
        )

    @property
    def temporary(self) -> Path:
        """Holds unpacked archives and the workers' sockets, apart from any other TorchServe's."""
        inside = self.home / "tmp"
        if len(str(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"recstack-torchserve-{name}"

    def _process_environment(self) -> dict[str, str]:
        return {
            **self.environment,
            "PYTHONDONTWRITEBYTECODE": "",  # or the workers would compile recstack anew at each start
            "OMP_NUM_THREADS": "1",  # a worker computes with one thread; TORCHSERVE_WORKERS says how many there are
            "TMPDIR": str(self.temporary),
            "TEMP": str(self.temporary),
            "TS_INFERENCE_ADDRESS": self.inference_url,
            "TS_MANAGEMENT_ADDRESS": self.management_url,
            "TS_METRICS_ADDRESS": self.metrics_url,
            "TS_ALLOWED_URLS": f"file://{self.model_store}/.*",
        }


def server_of(settings: Settings) -> Server:
    """The TorchServe of these settings, running or not."""
    environment = {**settings.child_environment(), "RECSTACK_HOME": str(settings.recstack_home.resolve())}
    return Server(
        home=settings.serving_home,
        model_store=settings.model_store.resolve(),
        inference_url=settings.torchserve_inference,
        management_url=settings.torchserve_management,
        metrics_url=settings.torchserve_metrics,
        keys=settings.token_file,
        environment=environment,
    )


def start_server(server: Server) -> None:
    """Start TorchServe and wait until it is healthy; does nothing if it is already.

    Raises:
        ServerError: a port is taken, a folder belongs to another user, or it does not become healthy.
    """
    if server.background.process is not None and server.api.healthy():
        return
    stop_server(server)
    for folder in (server.home, server.temporary):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise ServerError(f"{folder} belongs to another user: remove it, or set RECSTACK_HOME to another folder")
    server.model_store.mkdir(parents=True, exist_ok=True)
    server.background.launch()
    try:
        server.background.wait_until_it_answers(START_SECONDS)
    except ServerError:
        stop_server(server)
        raise


def stop_server(server: Server) -> None:
    """Stop TorchServe and its workers; does nothing if it is not running."""
    server.background.stop()
    shutil.rmtree(server.temporary, ignore_errors=True)  # unpacked archives, and TorchServe's own record of its process
