"""Parquet to Feast's Redis store: our engine and store against Feast's own engines; see README.md beside it."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import online_rows
import psutil
from redis_process import address, redis_process
from side_by_side import compare, interleaved

SIDES = {"ours": "OURS", "stock, local engine": "LOCAL", "stock, Spark engine": "SPARK"}


def load(home: Path, redis: str, side: str) -> None:
    """The work of a child process, besides starting Python and importing Feast."""
    store = online_rows.feature_store(home, redis, getattr(online_rows, SIDES[side]))
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))


def watched(command: list[str]) -> tuple[float, float, float]:
    """Run a command and measure it with its children: seconds, seconds of CPU time, most memory at once in MB."""
    start = time.monotonic()
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    output = tempfile.TemporaryFile("w+")  # a full pipe would stop Spark's progress bar, and Spark with it
    child = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    process, most = psutil.Process(child.pid), 0
    processors: dict[int, float] = {}
    while child.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
            processors.update({member.pid: sum(member.cpu_times()[:2]) for member in family})
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.1)
    seconds = time.monotonic() - start
    if child.returncode:
        output.seek(0)
        sys.exit(output.read())
    return seconds, sum(processors.values()), most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=1, help="rows a user, of which the newest is loaded")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        home, redis, side = options.child
        return load(Path(home), redis, side)

    digests: dict[str, str] = {}
    memory: dict[str, float] = {}
    processors: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, redis_process() as client:
        online_rows.write_rows(Path(folder) / "rows", options.users, options.snapshots)

        def command(side: str, home: Path) -> list[str]:
            return [sys.executable, __file__, "--child", str(home), address(client), side]

        few = Path(folder) / "few"
        few.mkdir()
        online_rows.write_rows(few / "rows", 100)
        for side in options.sides:  # a first start compiles modules to bytecode, which an image has
            watched(command(side, few))

        def loaded(side: str) -> float:
            client.flushall()
            before = client.info("cpu")
            seconds, computing, most = watched(command(side, Path(folder)))
            computing += sum(client.info("cpu")[part] - before[part] for part in ("used_cpu_user", "used_cpu_sys"))
            processors.setdefault(side, []).append(computing)
            if side not in digests:  # once a side: it takes longer than to load the rows
                digests[side] = client.execute_command("DEBUG", "DIGEST").decode()
            memory[side] = max(most, memory.get(side, 0))
            rate = options.users / seconds
            print(f"  {side}: {seconds:.1f} s, {rate:,.0f} rows/s, CPU {computing:.1f} s, {most:,.0f} MB", flush=True)
            return rate

        measured = interleaved({side: lambda side=side: loaded(side) for side in options.sides}, options.rounds)
        used = client.info("memory")["used_memory_dataset"] / options.users
    if len(set(digests.values())) > 1:
        sys.exit(f"Redis does not hold the same after each side: {digests}")
    print(
        f"{used:,.0f} bytes of Redis a user; most memory: " + ", ".join(f"{s} {m:,.0f} MB" for s, m in memory.items())
    )
    for side in options.sides:
        if side != "ours" and "ours" in options.sides:
            size = f"{options.users:,} users x (320 floats + 10 numbers), start-up counted"
            check = f"DEBUG DIGEST of all keys equal; most memory {memory['ours']:,.0f} : {memory[side]:,.0f} MB"
            rates = {"ours": "ours", "against": side, "check": check}
            compare("materialization", size, measured, unit="rows/s", more_is_better=True, **rates)
            compare("materialization, CPU time, Redis included", size, processors, unit="s", **rates)


if __name__ == "__main__":
    main()
