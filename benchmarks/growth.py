"""How the cost of the Spark jobs grows with the log, within a cap of memory; see README.md."""

import argparse
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from shutil import rmtree

import pyarrow.compute as pc
import pyarrow.parquet as pq
from held_memory import Memory, family
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from side_by_side import compare
from user_genre_profile import written

from recstack import columns as c
from recstack.data import splits
from recstack.data.adapters.synthetic import Synthetic
from recstack.data.assign_split import assign
from recstack.features import item, user, vocabulary
from recstack.features.training_users import TrainingFilter, training_users
from recstack.features.user_rows import UserRows
from recstack.spark import open_session

RATINGS_A_USER = 41.3
CAP_GIB = 16


def jobs(spark: SparkSession, folder: Path) -> dict[str, Callable[[], DataFrame | UserRows]]:
    """Every job of `build_features` on the tables in `folder`."""
    timed, items = (spark.read.parquet(str(folder / name)) for name in ("interactions", "items"))
    timeless = timed.withColumn(c.TIMESTAMP, F.lit(None).cast("timestamp"))
    catalogue = pq.read_table(folder / "items", columns=[c.ITEM_ID, c.GENRES])
    words = vocabulary.extend((), pc.unique(pc.list_flatten(catalogue[c.GENRES])).to_pylist())
    genres = vocabulary.item_genres(catalogue, words)
    return {
        "split, global-time": lambda: assign(timed, splits.GLOBAL_TIME, 0),
        "split, leave-last-out": lambda: assign(timed, splits.LEAVE_LAST_OUT, 0),
        "split, stratified": lambda: assign(timeless, splits.STRATIFIED, 0),
        "users to learn from": lambda: training_users(timed, TrainingFilter()),
        "item snapshots": lambda: item.snapshots(timed, items, words),
        "user profiles, no time": lambda: user.snapshots(timeless, genres, "day"),
        "user snapshots by day": lambda: user.snapshots(timed, genres, "day"),
    }


def measure(spark: SparkSession, ratings: int, memory: Memory) -> dict[str, float]:
    """Seconds of each job."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users = round(ratings / RATINGS_A_USER)
        made_up = Synthetic(n_users=users, n_items=20_000, n_genres=320, further_genres=14, mean_ratings=42)
        tables = {
            "interactions": lambda: made_up.read_interactions(spark, folder),
            "items": lambda: made_up.read_items(spark, folder),
        }
        for table, frame in tables.items():
            seconds[table] = written(frame, folder / table)
        rows = spark.read.parquet(str(folder / "interactions")).count()
        print(f"{rows:,} ratings of {users:,} users, made in {seconds.pop('interactions'):.0f} s", flush=True)
        del seconds["items"]
        for name, job in jobs(spark, folder).items():
            memory.taken()
            seconds[name] = written(job, folder / "out")
            count = sum(pq.read_metadata(part).num_rows for part in (folder / "out").glob("*.parquet"))
            print(f"  {name:24} {seconds[name]:7.1f} s  {count:>12,} rows  {memory.taken():5.1f} GiB", flush=True)
            rmtree(folder / "out")
    return {name: value / rows * 1e6 for name, value in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ratings", type=float, nargs="+", default=[1e6, 4e6, 16e6, 38.6e6])
    parser.add_argument("--driver-memory", default="6g", help="of Spark's JVM")
    options = parser.parse_args()
    sizes: Sequence[int] = [round(size) for size in options.ratings]
    os.setpgrp()  # Spark's workers with it: what is above the cap ends as a whole
    end_all = partial(os.killpg, os.getpgid(0), signal.SIGKILL)
    memory = Memory(lambda: family(os.getpid()), CAP_GIB, end_all)
    memory.start()
    spark = open_session("local[2]", options.driver_memory, shuffle_partitions=32)
    measure(spark, 50_000, memory)  # the first jobs of a session are slower
    a_million = {size: measure(spark, size, memory) for size in sizes}
    small, large = sizes[0], sizes[-1]
    for job in a_million[small]:
        compare(
            f"growth: {job}",
            f"{large:,} ratings; the baseline has {small:,}",
            {"at full size": [a_million[large][job]], "small": [a_million[small][job]]},
            ours="at full size",
            against="small",
            unit="s for a million ratings",
            check="the same job on more rows",
        )


if __name__ == "__main__":
    main()
