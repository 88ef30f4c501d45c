"""All feature tables of one dataset as one atomic output, next to the split that they respect."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.ingest import HELD_OUT_FOLDER
from recstack.data.splits import BY_CHANCE, TEST, TRAIN, VALIDATION, assign
from recstack.features import item, spec, user, vocabulary
from recstack.features.training_users import TrainingFilter, training_users
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, current


class FeatureOptions(BaseModel):
    """What a user may choose about the feature tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    has_timestamps: bool
    split_at: date | None = None
    seed: int = 0
    snapshot_every: user.SnapshotEvery = "interaction"
    training_filter: TrainingFilter = TrainingFilter()


def build_features(
    spark: SparkSession, ingested: Build, root: Path, options: FeatureOptions, remote: Remote = NO_REMOTE
) -> Build:
    """Write `interactions` (with their split), `user`, `item`, `training_users` and the vocabulary.

    Timestamped data need no more: every row is stamped with the moment from which it was known. Without timestamps
    nothing but the split tells past from future. So the rows to learn from are tables of their own, computed from the
    parts that are learned from and without each row's own contribution, and items are counted before the test part.
    The `user` table, which is only served, knows everything, so that nobody is offered what they have rated.

    Args:
        spark: a session.
        ingested: what `interactions.ingest` published.
        root: folder of all versions of the features.
        options: see `FeatureOptions`.
        remote: second home of these versions. Its current one says which positions the genres have already.
    """
    catalogue = pq.read_table(ingested.path / "items", columns=[c.ITEM_ID, c.GENRES])
    remote.fetch_current(root)
    genres = vocabulary.extend(_previous(root), pc.unique(pc.list_flatten(catalogue[c.GENRES])).to_pylist())
    inputs = {
        "interactions": ingested.path.name,
        "vocabulary": vocabulary.version(genres),
        "feature_schema": spec.schema_digest(),
        **options.model_dump(mode="json"),
    }

    def build(draft: Path) -> dict[str, Any]:
        given = ingested.path / HELD_OUT_FOLDER
        interactions = assign(
            spark.read.parquet(str(ingested.path / "interactions")),
            options.protocol,
            options.seed,
            split_at=options.split_at,
            held_out=spark.read.parquet(str(given)) if given.exists() else None,
        )
        timed = options.has_timestamps and options.protocol not in BY_CHANCE
        if not timed:  # one meaning of "recent" for training and evaluation: a split that ignores time hides it
            interactions = interactions.withColumn(c.TIMESTAMP, F.lit(None).cast("timestamp"))
        interactions.write.parquet(str(draft / "interactions"))
        interactions = spark.read.parquet(str(draft / "interactions"))
        items = spark.read.parquet(str(ingested.path / "items"))
        item_genres = vocabulary.item_genres(catalogue, genres)
        train = interactions.filter(F.col(c.SPLIT) == TRAIN)
        before_test = interactions.filter(F.col(c.SPLIT) != TEST)

        user.snapshots(interactions, item_genres, options.snapshot_every).write(draft / "user")
        counted = interactions if timed else before_test
        item.snapshots(counted, items, genres).write.parquet(str(draft / "item"))
        if not timed:
            user.without_own(train, item_genres).write(draft / without_own((TRAIN,)))
            user.without_own(before_test, item_genres).write(draft / without_own((TRAIN, VALIDATION)))
        training_users(before_test, options.training_filter).write.parquet(str(draft / "training_users"))
        vocabulary.save(draft, genres)
        frames = {folder.name: spark.read.parquet(str(folder)) for folder in sorted(draft.iterdir()) if folder.is_dir()}
        return {
            "has_timestamps": timed,
            "rows": {name: frame.count() for name, frame in frames.items()},
            "split": _counts(frames["interactions"], c.SPLIT),
            "schema": {name: frame.schema.simpleString() for name, frame in frames.items()},
        }

    return build_once(root, inputs, build, made_by=[__name__], remote=remote)


def without_own(parts: Sequence[str]) -> str:
    """Folder of the training rows of data without time, by the parts that they come from."""
    return "_".join(["without_own", *parts])


def _previous(root: Path) -> tuple[str, ...]:
    try:
        return vocabulary.load(current(root).path)
    except FileNotFoundError:
        return ()


def _counts(frame: DataFrame, column: str) -> dict[str, int]:
    return {row[column]: row["count"] for row in frame.groupBy(column).count().collect()}
