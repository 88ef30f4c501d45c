"""What a worker tells TorchServe on its output, several lines at a time: a line by itself costs more than it says."""

import atexit
import logging
import sys
import threading
import time

EVERY_SECONDS = 0.2
_BUFFER = 1 << 16


class GatheringHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes a warning or worse at once, everything else within `EVERY_SECONDS`, and what is left at the end.

    TorchServe's own handler flushes after each record: a system call here, and a thread that is woken in the frontend.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(open(descriptor, "w", buffering=_BUFFER, encoding="utf-8", closefd=False))  # noqa: SIM115
        atexit.register(self.write_out)
        threading.Thread(target=self._write_now_and_then, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        super().emit(record)
        if record.levelno >= logging.WARNING:
            self.write_out()

    def flush(self) -> None:
        """Nothing: the parent calls it after each record."""

    def write_out(self) -> None:
        """All that was gathered."""
        super().flush()

    def _write_now_and_then(self) -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            self.write_out()


def gather() -> None:
    """Let this process gather what it logs; of TorchServe's own lines leave out those about each batch received."""
    root = logging.getLogger()
    root.handlers = [GatheringHandler(sys.stdout.fileno())]
    root.setLevel(logging.WARNING)  # TorchServe logs every batch by the root logger itself
    for name in ("ts", "recstack"):
        logging.getLogger(name).setLevel(logging.INFO)
