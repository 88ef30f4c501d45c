"""The whole path, `recstack demo` from ratings to answers, at the size of real logs; see README.md."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from held_memory import Memory, family, with_environment
from side_by_side import compare

HEAVIEST = 30_000
"""Ratings of one user, at most: logs have a heavy tail."""
STEP = re.compile(r"^(\w+) .*?([\d.]+) s   \S+$")


@dataclass(frozen=True)
class Log:
    """A made-up log in the shape of a real one."""

    users: int
    items: int
    genres: int
    mean_ratings: int
    protocol: str = "global-time"
    further_genres: int = 0
    cap_gib: float = 16

    def command(self) -> list[str]:
        """The command that a user would run."""
        options = {
            "n_users": self.users,
            "n_items": self.items,
            "n_genres": self.genres,
            "further_genres": self.further_genres,
            "mean_ratings": self.mean_ratings,
            "heaviest": min(HEAVIEST, self.items),
        }
        pairs = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
        return [*RECSTACK, "demo", "--dataset", "synthetic", "--protocol", self.protocol, *pairs]


RECSTACK = (sys.executable, "-m", "recstack.cli")
LOGS = {
    "1m": Log(6_040, 3_700, 18, 172, cap_gib=5),
    "25m": Log(162_541, 62_423, 20, 160),
    "38.6m": Log(935_000, 19_598, 320, 42, "stratified", further_genres=14),
}


@dataclass(frozen=True)
class Measured:
    """One run."""

    ratings: int
    seconds: float
    gib: float

    @property
    def a_million(self) -> float:
        """Seconds for a million ratings."""
        return self.seconds / self.ratings * 1e6


def measure(log: Log, home: Path) -> Measured:
    """Run the command in a home of its own, and show what it prints.

    Raises:
        SystemExit: it failed, or took more memory than the log's cap.
    """
    environment = {**os.environ, "RECSTACK_HOME": str(home)}
    start = time.monotonic()
    run = subprocess.Popen(
        log.command(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )

    def pids() -> set[int]:
        return {*family(run.pid), *with_environment(f"RECSTACK_HOME={home}")}

    memory = Memory(pids, log.cap_gib, lambda: os.killpg(run.pid, signal.SIGKILL))
    memory.start()
    ratings, peak = 0, 0.0
    assert run.stdout is not None
    for line in run.stdout:
        print(f"  {line.rstrip()}", flush=True)
        if found := STEP.match(line.strip()):
            peak = max(peak, memory.peak)
            print(f"    {found[1]}: {found[2]} s, at most {memory.taken():.1f} GiB", flush=True)
        if counted := re.match(r"ingest +([\d,]+) interactions", line.strip()):
            ratings = int(counted[1].replace(",", ""))
    code = run.wait()
    seconds = time.monotonic() - start
    subprocess.run([*RECSTACK, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)
    if code:
        sys.exit(f"{' '.join(log.command())} ended with code {code}")
    return Measured(ratings, seconds, max(peak, memory.peak))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="+", choices=LOGS, help="the first one is what the others are compared with")
    parser.add_argument("--keep", type=Path, help="folder for the results; a temporary one by default")
    chosen = parser.parse_args()
    names: Sequence[str] = chosen.logs
    found: dict[str, Measured] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {' '.join(LOGS[name].command()[2:])}", flush=True)
            found[name] = measure(LOGS[name], (chosen.keep or Path(folder)) / name)
        each = found[name]
        print(f"{name}: {each.ratings:,} ratings, {each.seconds:.0f} s, {each.gib:.1f} GiB", flush=True)
    small = names[0]
    for name in names:
        compare(
            "pipeline, ratings to answers",
            f"{found[name].ratings:,} ratings, at most {found[name].gib:.1f} GiB; baseline: {found[small].ratings:,}",
            {"this size": [found[name].a_million], "small": [found[small].a_million]},
            ours="this size",
            against="small",
            unit="s for a million ratings",
            check="three answers of the default model at the end of each",
        )


if __name__ == "__main__":
    main()
