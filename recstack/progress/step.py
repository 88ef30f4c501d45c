"""Steps that a person may wait for: each says on stderr what it does and how far it is, until it ends."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Final, TextIO, TypeVar

T = TypeVar("T")

FIRST_SECONDS: Final = 5.0
"""A shorter step says nothing."""
EVERY_SECONDS: Final = 30.0
"""Longest silence of a step where no terminal shows its live line."""
_REFRESH_SECONDS: Final = 0.5


class Step:
    """One step that is under way; thread-safe."""

    def __init__(self, what: str, total: int | None, unit: str, measure: Callable[[], tuple[int, int]] | None) -> None:
        """Start the clock; see `working`."""
        self.what = what
        self.unit = unit
        self._total, self._done, self._note = total, 0, ""
        self._measure = measure
        self._start = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count units that are done."""
        self._done += count

    def note(self, text: str) -> None:
        """Show a short text, such as the latest loss, beside the count."""
        self._note = text

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def line(self) -> str:
        """What is being done and how far it is, in one line."""
        done, total = (self._done, self._total) if self._measure is None else self._measure()
        share = f"{done} of {total} {self.unit}s" if total else f"{done} {self.unit}s" if done else ""
        return ", ".join(part for part in (f"{self.what}: {self.seconds:.0f} s", share, self._note) if part)


_open: list[Step] = []
"""Steps under way, outer ones first; only the innermost is shown."""


@contextmanager
def working(
    what: str,
    *,
    total: int | None = None,
    unit: str = "step",
    measure: Callable[[], tuple[int, int]] | None = None,
    stream: TextIO | None = None,
) -> Iterator[Step]:
    """Report a block of work while it runs: live in a terminal, else a line after 5 s and then every 30 s.

    Args:
        what: for example "train: ranking the validation part".
        total: how many units there are; None where nobody knows.
        unit: singular name of what `Step.advance` counts.
        measure: asked for (done, total) instead of counting, for work that another process does.
        stream: where to; by default stderr.
    """
    step = Step(what, total, unit, measure)
    ended = threading.Event()
    reporter = threading.Thread(target=_report, args=(step, ended, stream or sys.stderr), daemon=True)
    _open.append(step)
    reporter.start()
    try:
        yield step
    finally:
        _open.remove(step)
        ended.set()
        reporter.join()


def track(items: Iterable[T], what: str, *, unit: str = "step") -> Iterator[T]:
    """Yield the items and report how many are done; see `working`."""
    with working(what, total=len(items) if isinstance(items, Sized) else None, unit=unit) as step:
        for item in items:
            yield item
            step.advance()


def _report(step: Step, ended: threading.Event, stream: TextIO) -> None:
    live, width = stream.isatty(), 0
    if ended.wait(FIRST_SECONDS):
        return
    while True:
        if _open and _open[-1] is step:
            line = step.line()
            stream.write(f"\r{line:<{width}}" if live else f"  {line}\n")
            stream.flush()
            width = max(width, len(line))
        if ended.wait(_REFRESH_SECONDS if live else EVERY_SECONDS):
            break
    if live and width:
        stream.write(f"\r{'':<{width}}\r")
        stream.flush()
