"""The steps that a program reports: `working` for a block of work, `track` for a loop, `say` for a line beside them."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Final, TextIO, TypeVar

from recstack.progress.reporter import Reporter

T = TypeVar("T")

Measure = Callable[[], tuple[int, int]]
"""Returns how many units are done and how many there are."""

_reporter: Final = Reporter()


class Step:
    """One step that is under way; any thread may count."""

    def __init__(self, what: str, total: int | None, unit: str, measure: Measure | None, stream: TextIO) -> None:
        """Start the clock; see `working`."""
        self.what = what
        self.stream = stream
        self._unit, self._total, self._measure = unit, total, measure
        self._done, self._note = 0, ""
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count units that are done."""
        with self._lock:
            self._done += count

    def note(self, text: str) -> None:
        """Show a short text, such as the latest loss, after the count."""
        self._note = text

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def line(self) -> str:
        """What is being done, for how long and how far it is, such as "training: 12 s, 3 of 10 epochs, loss 0.41"."""
        share = self._share()  # first: it may change the note
        parts = [f"{self.what}: {self.seconds:.0f} s", share, self._note]
        return ", ".join(part for part in parts if part)

    def _share(self) -> str:
        done, total = self._done, self._total
        if self._measure is not None:
            try:
                done, total = self._measure()
            except Exception as error:  # the work itself goes on; only its progress is unknown from here on
                self._measure = None
                self._note = f"progress unknown ({error})"
                return ""
        if total:
            return f"{done} of {total} {self._unit}s"
        return f"{done} {self._unit}s" if done else ""


@contextmanager
def working(
    what: str,
    *,
    total: int | None = None,
    unit: str = "step",
    measure: Measure | None = None,
    stream: TextIO | None = None,
) -> Iterator[Step]:
    """Report a block of work while it runs; of nested blocks the innermost.

    In a terminal a live line appears after 5 s and goes at the end. Anywhere else a step prints a line after 5 s, and
    no more than 30 s pass without a line.

    Args:
        what: the step and what it does, for example "train: ranking the validation part".
        total: how many units there are; None if that is unknown.
        unit: singular name of what `Step.advance` counts.
        measure: called for (done, total) instead of counting, for work that another process does.
        stream: where the lines go; by default stderr.
    """
    step = Step(what, total, unit, measure, stream or sys.stderr)
    _reporter.open(step)
    try:
        yield step
    finally:
        _reporter.close(step)


def track(items: Iterable[T], what: str, *, unit: str = "step") -> Iterator[T]:
    """Yield the items and report how many are done; see `working`."""
    with working(what, total=len(items) if isinstance(items, Sized) else None, unit=unit) as step:
        for item in items:
            yield item
            step.advance()


def say(text: str) -> None:
    """Print a line on stdout at once, above the live line of a terminal."""
    _reporter.say(text)
