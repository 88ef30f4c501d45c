"""User-genre profiles of all users in Spark: our job against explode, join, groupBy and pivot; see README.md."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from side_by_side import compare, interleaved

from recstack import columns as c
from recstack.data.adapters.synthetic import Synthetic
from recstack.features import user, vocabulary
from recstack.features.spec import ALPHA, RECENT_LENGTH
from recstack.features.user_rows import UserRows
from recstack.spark import open_session

SIDES = ("ours", "notebook", "notebook, all features")
SCORE_OF_NOTHING = 5.0
TOLERANCE = 1e-5


def notebook(interactions: DataFrame, items: DataFrame, genres: tuple[str, ...]) -> DataFrame:
    """As in the notebooks that recstack grew from: a row for each (rating, genre), then a column for each genre."""
    exploded = items.select(c.ITEM_ID, F.explode(c.GENRES).alias("genre"))
    mean, count = F.avg(c.RATING), F.count("*")
    scored = (
        interactions.join(exploded, c.ITEM_ID)
        .groupBy(c.USER_ID, "genre")
        .agg((10 / (1 + F.exp(-ALPHA * mean * F.log1p(count)))).alias("score"))
    )
    return scored.groupBy(c.USER_ID).pivot("genre", list(genres)).agg(F.first("score"))


def notebook_with_the_rest(interactions: DataFrame, items: DataFrame, genres: tuple[str, ...]) -> DataFrame:
    """The notebook's table and, from a second groupBy, what ours holds beside the profile."""
    best_first = F.sort_array(F.collect_list(F.struct(c.RATING, c.ITEM_ID)), asc=False)
    rest = interactions.groupBy(c.USER_ID).agg(
        F.count("*").alias(c.RATING_COUNT),
        F.avg(c.RATING).alias(c.RATING_MEAN),
        (F.max(c.RATING) - F.min(c.RATING)).alias(c.RATING_RANGE),
        best_first.alias("rated"),
    )
    recent = F.slice("rated", 1, RECENT_LENGTH)
    rest = rest.select(
        *(column for column in rest.columns if column != "rated"),
        recent[c.ITEM_ID].alias(c.RECENT_ITEMS),
        recent[c.RATING].alias(c.RECENT_RATINGS),
        F.array_sort(F.col("rated")[c.ITEM_ID]).alias(c.SEEN_ITEMS),
    )
    return notebook(interactions, items, genres).join(rest, c.USER_ID)


def same_profiles(ours: Path, theirs: Path, genres: tuple[str, ...]) -> str:
    """What was compared.

    Raises:
        SystemExit: users or scores differ.
    """
    (users, scores), (others, their_scores) = vectors(ours), wide(theirs, genres)
    if not np.array_equal(users, others) or (largest := float(np.abs(scores - their_scores).max())) > TOLERANCE:
        raise SystemExit("the sides differ in users or scores")
    return f"all users equal, scores to {largest:.0e}"


def same_rest(ours: Path, theirs: Path) -> None:
    """Compare the other features.

    Raises:
        SystemExit: one of them differs.
    """
    names = [c.RATING_COUNT, c.RATING_MEAN, c.RATING_RANGE, c.RECENT_ITEMS, c.RECENT_RATINGS]
    mine, found = (pq.read_table(folder, columns=[c.USER_ID, *names]).sort_by(c.USER_ID) for folder in (ours, theirs))
    for name in names:
        pair = [pa.compute.list_flatten(t[name]) if pa.types.is_list(t[name].type) else t[name] for t in (mine, found)]
        if not np.allclose(*(column.to_numpy() for column in pair), rtol=1e-6):
            raise SystemExit(f"the sides differ in {name}")


def wide(folder: Path, genres: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(user ids, [U, G] scores) of the notebook's table."""
    table = pq.read_table(folder).sort_by(c.USER_ID)
    scores = np.stack([table[genre].fill_null(SCORE_OF_NOTHING).to_numpy() for genre in genres], axis=1)
    return table[c.USER_ID].to_numpy(), scores


def vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(user ids, [U, G] scores) of ours."""
    table = pq.read_table(folder, columns=[c.USER_ID, c.GENRE_PROFILE]).sort_by(c.USER_ID)
    flat = pa.compute.list_flatten(table[c.GENRE_PROFILE]).to_numpy()
    return table[c.USER_ID].to_numpy(), flat.reshape(len(table), -1)


def written(job: Callable[[DataFrame], DataFrame | UserRows], interactions: DataFrame, folder: Path) -> float:
    """Seconds that a job takes to write Parquet files."""
    rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    rows = job(interactions)
    if isinstance(rows, UserRows):
        rows.write(folder)
    else:
        rows.write.parquet(str(folder))
    return time.perf_counter() - start


def made_up(spark: SparkSession, options: argparse.Namespace, folder: Path) -> tuple[DataFrame, DataFrame]:
    """Ratings without time, as those of anime are, so that both sides make one row a user."""
    dataset = Synthetic(
        n_users=options.users, n_items=20_000, n_genres=320, further_genres=14, mean_ratings=options.ratings
    )
    timeless = dataset.read_interactions(spark, folder).withColumn(c.TIMESTAMP, F.lit(None).cast("timestamp"))
    timeless.write.parquet(str(folder / "interactions"))
    dataset.read_items(spark, folder).write.parquet(str(folder / "items"))
    return spark.read.parquet(str(folder / "interactions")), spark.read.parquet(str(folder / "items"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--ratings", type=int, default=41, help="of a user on average")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="6g", help="of Spark's JVM")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spark = open_session("local[2]", options.memory)
        interactions, items = made_up(spark, options, folder)
        count = interactions.count()
        catalogue = pq.read_table(folder / "items", columns=[c.ITEM_ID, c.GENRES])
        genres = vocabulary.extend((), pa.compute.unique(pa.compute.list_flatten(catalogue[c.GENRES])).to_pylist())
        item_genres = vocabulary.item_genres(catalogue, genres)
        works = {
            "ours": lambda ratings: user.snapshots(ratings, item_genres, "day"),
            "notebook": lambda ratings: notebook(ratings, items, genres),
            "notebook, all features": lambda ratings: notebook_with_the_rest(ratings, items, genres),
        }

        def timed(side: str) -> float:
            seconds = written(works[side], interactions, folder / side)
            print(f"  {side}: {seconds:.1f} s", flush=True)
            return seconds

        size = f"{count:,} ratings, {options.users:,} users, 20,000 items, 320 genres, 16 an item"
        few = interactions.where(F.col(c.USER_ID) < options.users // 100)
        for side in options.sides:  # else the first side would pay for Spark's start
            written(works[side], few, folder / "warm-up")
        measured = interleaved({side: lambda side=side: timed(side) for side in options.sides}, options.rounds)
        for side in options.sides:
            if side == "ours" or "ours" not in options.sides:
                continue
            check = same_profiles(folder / "ours", folder / side, genres)
            path, checked = "user-genre profile", f"{check}; ours also holds ten other features"
            if side == "notebook, all features":
                same_rest(folder / "ours", folder / side)
                path, checked = "user features", f"{check}, five other features to 1e-6"
            compare(path, size, measured, ours="ours", against=side, unit="s", check=checked)


if __name__ == "__main__":
    main()
