"""Writes the lines of all open steps from one background thread, which lives only while a step is open."""

import shutil
import threading
import time
from typing import Final, Protocol, TextIO

FIRST_SECONDS: Final = 5.0
"""A shorter step is not reported."""
EVERY_SECONDS: Final = 30.0
"""Longest time without a line where no terminal shows the live line."""
REFRESH_SECONDS: Final = 0.5
"""Between two states of the live line."""
ERASE: Final = "\r\x1b[K"
"""Back to the start of the line, and clear it."""


class Reported(Protocol):
    """What a reporter knows of a step."""

    stream: TextIO

    @property
    def seconds(self) -> float:
        """Seconds since its start."""

    def line(self) -> str:
        """Its state in one line."""


class Reporter:
    """Shows the innermost of the open steps; threads may open, close and print at the same time."""

    def __init__(self) -> None:
        """Start without a step."""
        self._changed = threading.Condition()
        self._open: list[Reported] = []
        self._thread: threading.Thread | None = None
        self._printed: set[int] = set()
        self._last_line = 0.0
        self._live: TextIO | None = None

    def open(self, step: Reported) -> None:
        """Report a step from now on."""
        with self._changed:
            if not self._open:
                self._last_line = time.monotonic()
            self._open.append(step)
            if self._thread is None:
                self._thread = threading.Thread(target=self._report, name="progress", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, step: Reported) -> None:
        """Report a step no more; its live line goes."""
        with self._changed:
            self._open.remove(step)
            self._printed.discard(id(step))
            self._erase()
            self._changed.notify()

    def say(self, text: str) -> None:
        """Print a line on stdout that a live line does not disturb."""
        with self._changed:
            self._erase()
            print(text, flush=True)
            self._last_line = time.monotonic()

    def _report(self) -> None:
        while True:
            with self._changed:
                if not self._open:
                    self._thread = None
                    return
                step = self._open[-1]
                due = self._is_due(step)
            line = step.line() if due else ""  # without the lock: it may have to ask another process
            with self._changed:
                if due and self._open and self._open[-1] is step:
                    self._write(step, line)
                if self._open:
                    self._changed.wait(REFRESH_SECONDS)

    def _is_due(self, step: Reported) -> bool:
        if self._open[0].seconds < FIRST_SECONDS:
            return False
        if step.stream.isatty():
            return True
        is_new = id(step) not in self._printed and step.seconds >= FIRST_SECONDS
        return is_new or time.monotonic() - self._last_line >= EVERY_SECONDS

    def _write(self, step: Reported, line: str) -> None:
        if step.stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            step.stream.write(f"{ERASE}{line[:width]}")
            self._live = step.stream
        else:
            step.stream.write(f"  {line}\n")
            self._printed.add(id(step))
            self._last_line = time.monotonic()
        step.stream.flush()

    def _erase(self) -> None:
        if self._live is not None:
            self._live.write(ERASE)
            self._live.flush()
            self._live = None
