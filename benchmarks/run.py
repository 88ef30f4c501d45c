"""Runs the comparisons of `make bench` and `make bench-scale`; writes RESULTS.md and results.json beside this file.

`python benchmarks/run.py bench answer.py cold_start.py` runs two of them again and keeps the other rows.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from side_by_side import RESULTS

HERE = Path(__file__).parent
PLANS: dict[str, tuple[str, ...]] = {
    "bench": (
        "user_genre_profile.py --users 250000 --rounds 2 --sides ours notebook",
        "point_in_time_join.py --without spark",
        "point_in_time_join.py --rows 1000000 --users 100000 --feature-rows 300000 --scalars 10 --width 0 --rounds 3",
        "materialization.py --users 100000 --rounds 2",
        "online_read.py",
        "training_throughput.py",
        "ncf_training.py",
        "ncf_time_to_ndcg.py",
        "catalogue_evaluation.py",
        "retrieval.py",
        "answer.py --rounds 5 --seconds 3",
        "cold_start.py --rounds 3",
        "pipeline.py 1m",
    ),
    "scale": (
        "growth.py",
        "pipeline.py 1m 25m 38.6m",
        "materialization.py --users 1000000 --rounds 3",
        "point_in_time_join.py --rows 10000000 --users 1000000 --feature-rows 3000000 --scalars 10 --width 0"
        " --rounds 1",
    ),
}
"""Scripts and their arguments, in the order in which data flows."""
VERSIONS = ("feast", "pyspark", "duckdb", "pyarrow", "numpy", "torch", "torchserve", "redis")


def machine() -> str:
    """Processor, cores, memory and versions, in words."""
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").open() if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GiB, no GPU used, Python "
        f"{platform.python_version()}, {versions}"
    )


def command_line(line: str) -> str:
    """The command that `side_by_side` records for a line of the plan."""
    return f"python benchmarks/{line}"


def row(found: dict[str, Any]) -> str:
    """One line of the table."""
    ratio = f"{found['ratio_median']:.2f} ({found['ratio_min']:.2f} .. {found['ratio_max']:.2f})"
    cells = [
        found["path"],
        found["size"],
        found["against"],
        f"{found['ours']:,.4g}",
        f"{found['baseline']:,.4g}",
        found["unit"],
        f"{ratio} of {found['rounds']}",
        found["check"],
        f"`{found['command']}`",
    ]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def page(results: Sequence[dict[str, Any]], target: str, done: int, of: int, seconds: float) -> str:
    """RESULTS.md."""
    lines = [
        "# Results",
        "",
        f"Written by `make {target}`, {done} of its {of} commands, {seconds / 60:.0f} minutes, on "
        f"{datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "Medians; the ratio is that of each round (smallest .. largest), above 1 where ours is better. What the",
        "numbers mean, and what was tried, is in [docs/performance.md](../docs/performance.md).",
        "",
        "| path | size | against | ours | baseline | unit | ratio | same answer | command |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(row, results),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    plan, *scripts = sys.argv[1:] or ["bench"]
    target, suffix = {"bench": ("bench", ""), "scale": ("bench-scale", "-scale")}[plan]
    wanted = [line for line in PLANS[plan] if not scripts or line.split()[0] in scripts]
    kept = json.loads((HERE / f"results{suffix}.json").read_text()) if scripts else []
    current = set(map(command_line, PLANS[plan])) - set(map(command_line, wanted))
    kept = [found for found in kept if found["command"] in current]  # the plan may have lost a command
    start = time.monotonic()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "results"
        lines.touch()
        for number, line in enumerate(wanted, 1):
            print(f"== {line} (after {(time.monotonic() - start) / 60:.0f} min)", flush=True)
            script, *arguments = shlex.split(line)
            command = [sys.executable, str(HERE / script), *arguments]
            done = subprocess.run(command, env={**os.environ, RESULTS: str(lines)}, check=False)
            if done.returncode:
                failed.append(script)
            # After each command, so that an interrupted run keeps its results.
            results = [*kept, *map(json.loads, lines.read_text().splitlines())]
            results.sort(key=lambda found: list(map(command_line, PLANS[plan])).index(found["command"]))
            (HERE / f"results{suffix}.json").write_text(json.dumps(results, indent=1) + "\n")
            text = page(results, target, number, len(PLANS[plan]), time.monotonic() - start)
            text += "\nThe rows of other commands are of earlier runs.\n" if kept else ""
            (HERE / f"RESULTS{suffix}.md").write_text(text)
    print(f"{len(results)} comparisons are in {HERE}/RESULTS{suffix}.md")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
