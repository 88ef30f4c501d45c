"""All feature tables of one dataset as one atomic output, next to the split that they respect."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.features import item, spec, user, vocabulary
from recstack.features.training_users import TrainingFilter, training_users
from recstack.lake import Build, build_once, current
from recstack.splits import assign

TRAIN = "train"


class FeatureOptions(BaseModel):
    """What a user may choose about the feature tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    has_timestamps: bool
    seed: int = 0
    snapshot_every: user.SnapshotEvery = "interaction"
    training_filter: TrainingFilter = TrainingFilter()


def build_features(spark: SparkSession, ingested: Build, root: Path, options: FeatureOptions) -> Build:
    """Write `interactions` (with their split), `user`, `item`, `training_users` and the vocabulary.

    Data without timestamps also get `without_own`, the leak-free training rows; their features come from the
    training part alone, since nothing else tells past from future.

    Args:
        spark: a session.
        ingested: what `interactions.ingest` published.
        root: folder of all versions of the features.
        options: see `FeatureOptions`.
    """
    catalogue = pq.read_table(ingested.path / "items", columns=[c.ITEM_ID, c.GENRES])
    genres = vocabulary.extend(_previous(root), pa.compute.unique(pa.compute.list_flatten(catalogue[c.GENRES])).to_pylist())
    inputs = {
        "interactions": ingested.path.name,
        "vocabulary": vocabulary.version(genres),
        "feature_schema": spec.schema_digest(),
        **options.model_dump(),
    }

    def build(draft: Path) -> dict[str, Any]:
        interactions = assign(
            spark.read.parquet(str(ingested.path / "interactions")), options.protocol, options.seed
        )
        interactions.write.parquet(str(draft / "interactions"))
        interactions = spark.read.parquet(str(draft / "interactions"))
        items = spark.read.parquet(str(ingested.path / "items"))
        item_genres = vocabulary.item_genres(catalogue, genres)
        train = interactions.filter(F.col(c.SPLIT) == TRAIN)
        timed = options.has_timestamps
        known = interactions if timed else train

        user.snapshots(known, item_genres, options.snapshot_every).write.parquet(str(draft / "user"))
        item.snapshots(known, items, genres).write.parquet(str(draft / "item"))
        if not timed:
            user.without_own(train, item_genres).write.parquet(str(draft / "without_own"))
        training_users(train, options.training_filter).write.parquet(str(draft / "training_users"))
        vocabulary.save(draft, genres)
        tables = ["interactions", "user", "item", "training_users", *([] if timed else ["without_own"])]
        frames = {name: spark.read.parquet(str(draft / name)) for name in tables}
        return {
            "has_timestamps": timed,
            "rows": {name: frame.count() for name, frame in frames.items()},
            "split": _counts(frames["interactions"], c.SPLIT),
            "schema": {name: frame.schema.simpleString() for name, frame in frames.items()},
        }

    return build_once(root, inputs, build)


def _previous(root: Path) -> tuple[str, ...]:
    try:
        return vocabulary.load(current(root).path)
    except FileNotFoundError:
        return ()


def _counts(frame: DataFrame, column: str) -> dict[str, int]:
    return {row[column]: row["count"] for row in frame.groupBy(column).count().collect()}
