"""Buffers the log of a worker: TorchServe reads it line by line, and a write for each line is expensive."""

import logging
import sys
import threading
import time
from logging.handlers import MemoryHandler
from typing import Final, TextIO

EVERY_SECONDS: Final = 0.2
CAPACITY: Final = 10_000
"""Records that wait at most."""


class BufferedHandler(MemoryHandler):
    """Writes all waiting records at once: on a warning, every `EVERY_SECONDS`, and at the end of the process.

    TorchServe's own handler writes after each record. benchmarks/NOTES.md, "One answer", has what buffering saves.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(CAPACITY, flushLevel=logging.WARNING)
        self._stream = stream
        threading.Thread(target=self._flush_regularly, name="worker log", daemon=True).start()

    def flush(self) -> None:
        """Write what is waiting."""
        self.acquire()
        try:
            if self.buffer:
                self._stream.write("".join(f"{self.format(record)}\n" for record in self.buffer))
                self._stream.flush()
                self.buffer.clear()
        finally:
            self.release()

    def _flush_regularly(self) -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            self.flush()


def buffer_log() -> None:
    """Buffer the log of this process, and leave out TorchServe's lines about each batch that arrives."""
    root = logging.getLogger()
    root.handlers = [BufferedHandler(sys.stdout)]
    root.setLevel(logging.WARNING)  # TorchServe writes the lines about batches with the root logger
    for name in ("ts", "recstack"):
        logging.getLogger(name).setLevel(logging.INFO)
