"""The memory of all processes of a measurement: each with its share of what it shares (PSS)."""

import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

EVERY_SECONDS = 2


class Memory(threading.Thread):
    """Watches processes, and calls `too_much` once they hold more than the cap together."""

    def __init__(self, pids: Callable[[], Iterable[int]], cap_gib: float, too_much: Callable[[], None]) -> None:
        """Watch the processes that `pids` returns at that time."""
        super().__init__(daemon=True)
        self._pids, self._cap, self._too_much = pids, cap_gib, too_much
        self.peak = 0.0
        """Most memory since the last call of `taken`, in GiB."""

    def run(self) -> None:
        """Look every other second."""
        while True:
            held = sum(map(_held, self._pids())) / 2**30
            self.peak = max(self.peak, held)
            if held > self._cap:
                print(f"{held:.1f} GiB are more than the {self._cap:g} GiB allowed", file=sys.stderr, flush=True)
                self._too_much()
            time.sleep(EVERY_SECONDS)

    def taken(self) -> float:
        """The peak since the last call, in GiB."""
        peak, self.peak = self.peak, 0.0
        return peak


def family(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has ended
            continue
        children.setdefault(parent, []).append(int(status.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def with_environment(entry: str) -> list[int]:
    """Processes whose environment has this NAME=value, also those that no longer belong to who started them."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if entry.encode() in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def _held(pid: int) -> int:
    """Bytes of a process, with its share of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
