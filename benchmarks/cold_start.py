"""Seconds from registering a model until a worker answers, against an import of everything; see README.md."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from answering.servers import ours
from answering.workspace import N_ITEMS, VERSION, workspace
from side_by_side import compare, interleaved

from recstack.release.rollout import MODEL_NAME, switch_version
from recstack.torchserve.server import Server

EVERYTHING = (
    "import torch, pandas, pyspark.sql, mlflow, prefect, feast, ibis.backends.duckdb, "
    "feast.infra.offline_stores.contrib.spark_offline_store.spark, feast.infra.online_stores.redis"
)
SERVING = (
    "from recstack.torchserve.quick_start import collector_paused\n"
    "with collector_paused(): import torch, recstack.archive.bundle, recstack.archive.opening"
)
WATCHED = ("pyspark", "mlflow", "prefect", "duckdb", "dask", "scipy", "sqlalchemy", "pandas")


def seconds(code: str) -> float:
    """Of a new interpreter."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def imported(code: str) -> str:
    """Which of the watched packages the code imports."""
    script = f"{code}\nimport sys; print(*[name for name in {WATCHED!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def memory(server: Server) -> list[int]:
    """Resident MB of each worker."""
    workers = server.api.versions(MODEL_NAME)[VERSION]["workers"]
    pids = [worker["pid"] for worker in workers]
    return [psutil.Process(pid).memory_info().rss // 2**20 for pid in pids]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    print(f"the serving path imports, of {', '.join(WATCHED)}: {imported(SERVING)}")
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder)) as made, ours(made) as (target, server):

        def worker() -> float:
            server.api.unregister(MODEL_NAME, VERSION)
            start = time.monotonic()
            switch_version(server.api, made.archive, MODEL_NAME, VERSION, made.settings)
            target.ask({"user_id": 1})
            return time.monotonic() - start

        works = {
            "worker, until it answers": worker,
            "imports alone": lambda: seconds(SERVING),
            "import of everything": lambda: seconds(EVERYTHING),
        }
        measured = interleaved(works, rounds)
        for ours_, against in (
            ("worker, until it answers", "import of everything"),
            ("imports alone", "import of everything"),
        ):
            compare(
                "cold start of a worker" if ours_.startswith("worker") else "imports of the serving path",
                f"{N_ITEMS:,} items",
                measured,
                ours=ours_,
                against=against,
                unit="s",
                check="the worker answers; the other only imports",
                same_result=False,
            )
        for _ in range(200):
            target.ask({"user_id": 1})
        print(f"resident memory of a worker with {N_ITEMS:,} items, after 200 requests: {max(memory(server))} MB")


if __name__ == "__main__":
    main()
