"""A server that outlives the command which starts it: its start, its health and its end."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from recstack.errors import UserError
from recstack.progress import working

STOP_SECONDS: Final = 20
"""A process that has not ended by then is killed."""
LOG_LINES: Final = 30
_POLL_SECONDS: Final = 0.2
_SAME_START_SECONDS: Final = 5.0
"""Two readings of the start of one process differ by less, because the machine's clock is corrected now and then."""


class ServerError(UserError):
    """A server could not be started; the message says why and what to do."""


@dataclass(frozen=True)
class BackgroundServer:
    """One server process and its children."""

    name: str
    """As messages call it."""
    command: Sequence[str]
    home: Path
    """Working folder, with the log and the record of the process."""
    environment: Mapping[str, str]
    addresses: Mapping[str, str]
    """URL by the name of the setting that changes it."""
    answers: Callable[[], bool]
    """Whether the server is healthy."""

    @property
    def log(self) -> Path:
        """What the server writes to its console."""
        return self.home / f"{self.name.lower()}.log"

    @property
    def process(self) -> psutil.Process | None:
        """The running server; None if it is not running, or if another process has its number now."""
        try:
            record = json.loads(self._record.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["started"]) < _SAME_START_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return None

    def launch(self) -> None:
        """Start the server; `wait_until_it_answers` is the next step.

        Raises:
            ServerError: a port is taken.
        """
        for setting, url in self.addresses.items():
            if _is_taken(url):
                raise ServerError(
                    f"{self.name} can't start: port {urlsplit(url).port} is taken by another process. Stop that, "
                    f"or set {setting} to an address with a free port."
                )
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            process = psutil.Popen(
                self.command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal that started it must not end it
            )
        self._record.write_text(json.dumps({"pid": process.pid, "started": process.create_time()}))

    def wait_until_it_answers(self, seconds: float) -> None:
        """Return as soon as the server is healthy.

        Raises:
            ServerError: it ended, or was not healthy in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        with working(f"starting {self.name}"):
            while not self.answers():
                if self.process is None or time.monotonic() > deadline:
                    raise ServerError(
                        f"{self.name} does not answer at {', '.join(self.addresses.values())}. "
                        f"{self.log} ends with:\n{self._end_of_log()}"
                    )
                time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server and its children; does nothing if it is not running."""
        process = self.process
        if process is not None:
            with working(f"stopping {self.name}"):
                _end_tree(process)
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.home / f"{self.name.lower()}.pid"

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _is_taken(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=1).close()
    except OSError:
        return False
    return True


def _end_tree(process: psutil.Process) -> None:
    """Ask a process and its children to end, wait, and kill those that do not."""
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for each in tree:
            try:
                signal(each)
            except psutil.NoSuchProcess:
                continue
        _, tree = psutil.wait_procs(tree, timeout=STOP_SECONDS)
