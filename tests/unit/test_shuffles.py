"""How often each Spark job shuffles its rows: a new shuffle must be added here, with a reason."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.data import splits
from recstack.data.adapters.synthetic import Synthetic
from recstack.data.assign_split import assign
from recstack.features import item, user, vocabulary
from recstack.features.training_users import TrainingFilter, training_users

Tables = tuple[DataFrame, DataFrame, Path]
Job = Callable[[Tables], DataFrame]


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("tables")
    made_up = Synthetic(n_users=50, n_items=40)
    made_up.read_interactions(spark, folder).write.parquet(str(folder / "interactions"))
    made_up.read_items(spark, folder).write.parquet(str(folder / "items"))
    return spark.read.parquet(str(folder / "interactions")), spark.read.parquet(str(folder / "items")), folder


def genres(tables: Tables) -> tuple[vocabulary.ItemGenres, tuple[str, ...]]:
    catalogue = pq.read_table(tables[2] / "items")
    words = vocabulary.extend((), [genre for row in catalogue[c.GENRES].to_pylist() for genre in row])
    return vocabulary.item_genres(catalogue, words), words


def shuffles(frame: DataFrame) -> list[str]:
    """What rows are sent by, from the source to the result; broadcasts of small tables are not counted."""
    with contextlib.redirect_stdout(io.StringIO()) as plan:
        frame.explain()
    keys = re.findall(r"(?<!Broadcast)Exchange (SinglePartition|hashpartitioning\(.*\), )", plan.getvalue())
    names = [re.findall(r"([a-z_]+)#", key) or ["all to one"] for key in keys]
    return [", ".join(found) for found in reversed(names)]


JOBS: Mapping[str, tuple[Job, list[str]]] = {
    "user snapshots": (lambda t: user.snapshots(t[0], genres(t)[0], "interaction").frame(), ["user_id"]),
    "user snapshots by day": (lambda t: user.snapshots(t[0], genres(t)[0], "day").frame(), ["user_id"]),
    # Counts of each (item, day) are sent, then the grid of items and dates, which is small.
    "item snapshots": (lambda t: item.snapshots(t[0], t[1], genres(t)[1]), ["item_id, day", "item_id", "item_id"]),
    # One short row a user is sent, never the interactions.
    "training users": (lambda t: training_users(t[0], TrainingFilter()), ["user_id"]),
    "global-time": (lambda t: assign(t[0], splits.GLOBAL_TIME, 0), []),
    "leave-last-out": (lambda t: assign(t[0], splits.LEAVE_LAST_OUT, 0), ["user_id"]),
    # Ids alone are sent, and the parts come back as a broadcast or, when there are many users, by user.
    "held-out-users": (lambda t: assign(t[0], splits.HELD_OUT_USERS, 0), ["user_id", "all to one"]),
    # Rows of each user are counted, drawn for each rating, and looked at once more for users left without any. The
    # counts of rating values are short rows, and come back as a broadcast or, when there are many values, by value.
    "stratified": (
        lambda t: assign(t[0], splits.STRATIFIED, 0),
        ["rating", "all to one", "user_id", "rating", "user_id"],
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_no_job_shuffles_more_than_it_must(tables: Tables, name: str) -> None:
    job, expected = JOBS[name]
    assert shuffles(job(tables)) == expected


def test_a_shuffle_too_many_is_seen(tables: Tables) -> None:
    needless = tables[0].repartition(c.ITEM_ID)
    assert shuffles(user.snapshots(needless, genres(tables)[0], "day").frame()) == ["item_id", "user_id"]
