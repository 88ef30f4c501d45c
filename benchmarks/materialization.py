"""Parquet to Feast's Redis store: our engine and store against Feast's own engines; see README.md beside it."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import feature_rows
import psutil
from redis_process import address, redis_process
from side_by_side import compare, interleaved

SIDES = {"ours": "OURS", "stock, local engine": "LOCAL", "stock, Spark engine": "SPARK"}


def load(home: Path, redis: str, side: str) -> None:
    """What a child does, beside starting Python and `import feast`."""
    store = feature_rows.feature_store(home, redis, getattr(feature_rows, SIDES[side]))
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))


def watched(command: list[str]) -> tuple[float, float]:
    """Seconds that a command took, and the most memory that it and its children held together, in MB."""
    start = time.monotonic()
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    process, most = psutil.Process(child.pid), 0
    while child.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.1)
    seconds = time.monotonic() - start
    if child.returncode:
        sys.exit(child.stderr.read() if child.stderr else "")
    return seconds, most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=1, help="rows a user, of which the newest is loaded")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        home, redis, side = asked.child
        return load(Path(home), redis, side)

    digests: dict[str, str] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, redis_process() as client:
        feature_rows.write_rows(Path(folder) / "rows", asked.users, asked.snapshots)

        def rate(side: str) -> float:
            client.flushall()
            command = [sys.executable, __file__, "--child", folder, address(client), side]
            seconds, most = watched(command)
            digests[side] = client.execute_command("DEBUG", "DIGEST").decode()
            memory[side] = max(most, memory.get(side, 0))
            print(f"  {side}: {seconds:.1f} s, {asked.users / seconds:,.0f} rows/s, {most:,.0f} MB", flush=True)
            return asked.users / seconds

        measured = interleaved({side: lambda side=side: rate(side) for side in asked.sides}, asked.rounds)
        used = client.info("memory")["used_memory_dataset"] / asked.users
    if len(set(digests.values())) > 1:
        sys.exit(f"Redis does not hold the same after each side: {digests}")
    print(
        f"{used:,.0f} bytes of Redis a user; most memory: " + ", ".join(f"{s} {m:,.0f} MB" for s, m in memory.items())
    )
    for side in asked.sides:
        if side != "ours" and "ours" in asked.sides:
            compare(
                "materialization",
                f"{asked.users:,} users x (320 floats + 10 numbers), start-up counted",
                measured,
                ours="ours",
                against=side,
                unit="rows/s",
                check=f"DEBUG DIGEST of all keys equal; most memory {memory['ours']:,.0f} : {memory[side]:,.0f} MB",
                more_is_better=True,
            )


if __name__ == "__main__":
    main()
