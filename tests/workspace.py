"""A small shop with every kind of feature, from raw ratings to `feast apply`; built once a session."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.synthetic import Synthetic
from recstack.data.contract import INTERACTIONS
from recstack.data.ingest import ingest
from recstack.data.splits import default_protocol
from recstack.data.timestamps import DAY
from recstack.data.traits import Traits
from recstack.features import vocabulary
from recstack.features.build import build_features
from recstack.features.item_genres import ItemGenres
from recstack.features.options import FeatureOptions
from recstack.features.training_users import TrainingFilter
from recstack.features.user import SnapshotEvery
from recstack.settings import Settings
from recstack.storage.lake import Build
from recstack.training.experiment import Experiment

MADE_UP = Synthetic(n_users=60, n_items=80, n_genres=8, mean_ratings=18, seed=11)
OPENING = 1_704_067_200  # 2024-01-01
CLOSING = OPENING + 196 * DAY  # after the last rating and the last snapshot of the items

PLANTED_USER = 9_001
SAME_SECOND = OPENING + 20 * DAY
"""When the planted user rates items 1 and 2, one item having nothing to do with the other."""
PLANTED = OPENING + 90 * DAY
"""When a shop with `surprise` has one more rating of theirs."""
SURPRISE = 77


class Shop(Dataset):
    """Synthetic ratings, a catalogue with all facts on some items and none on others, and one planted user."""

    name: ClassVar[str] = "shop"
    licence: ClassVar[str] = "made up"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=0.5, rating_max=5.0, positive_from=4.0, has_timestamps=True)

    surprise: bool = False

    def files(self, source: Path) -> list[Path]:
        return []

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        planted = [
            (1, 4.0, SAME_SECOND),
            (2, 1.5, SAME_SECOND),
            (3, 3.0, OPENING + 60 * DAY),
            (4, 2.0, OPENING + 180 * DAY),
        ]
        planted += [(SURPRISE, 0.5, PLANTED)] if self.surprise else []
        rows = [(PLANTED_USER, item, rating, datetime.fromtimestamp(second, UTC)) for item, rating, second in planted]
        return MADE_UP.read_interactions(spark, source).unionByName(spark.createDataFrame(rows, INTERACTIONS))

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        items = MADE_UP.read_items(spark, source)
        number = F.col(c.ITEM_ID)
        return items.withColumns(
            {
                c.GENRES: F.when(number % 10 != 0, F.col(c.GENRES)),
                c.YEAR: F.when(number % 7 != 0, F.col(c.YEAR)),
                c.TYPE: F.when(number % 3 == 0, "TV").when(number % 3 == 1, "MOVIE"),
                c.EPISODES: F.when(number % 3 == 0, number % 25 + 1).cast("int"),
                c.MEAN_SCORE: F.when(number % 4 != 0, number / 11).cast("float"),
            }
        )


@dataclass(frozen=True)
class Workspace:
    """What a pipeline leaves behind after `feast apply`."""

    settings: Settings
    spark: SparkSession
    ingested: Build
    features: Build

    @cached_property
    def experiment(self) -> Experiment:
        return Experiment(self.settings, self.spark, self.ingested, self.features)

    @property
    def words(self) -> tuple[str, ...]:
        return vocabulary.load(self.features.path)

    @property
    def genres(self) -> ItemGenres:
        catalogue = pq.read_table(self.ingested.path / "items", columns=[c.ITEM_ID, c.GENRES])
        return vocabulary.item_genres(catalogue, self.words)

    @property
    def positions(self) -> dict[int, list[int]]:
        """Genre positions of every item."""
        catalogue = pq.read_table(self.ingested.path / "items", columns=[c.ITEM_ID, c.GENRES]).to_pylist()
        return {row[c.ITEM_ID]: [self.words.index(name) for name in row[c.GENRES]] for row in catalogue}

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.features.path / name)

    def frame(self, name: str) -> DataFrame:
        return self.spark.read.parquet(str(self.features.path / name))


def open_shop(
    spark: SparkSession,
    home: Path,
    *,
    adapter: Shop | None = None,
    has_timestamps: bool = True,
    protocol: str | None = None,
    snapshot_every: SnapshotEvery = "interaction",
) -> Workspace:
    """Ingest, build features for the protocol (or the default), apply."""
    from recstack.feature_store.registry import apply  # Feast takes seconds to import, and most tests don't need it

    settings = Settings(recstack_home=home, dataset="shop", lake_uri=None, feast_online="sqlite", feast_registry="file")
    ingested = ingest(spark, adapter or Shop(), None, settings.lake / "interactions")
    all_users = TrainingFilter(lower_quantile=0, upper_quantile=1, min_range=0)
    options = FeatureOptions(
        protocol=protocol or default_protocol(has_timestamps),
        has_timestamps=has_timestamps,
        training_filter=all_users,
        snapshot_every=snapshot_every,
    )
    features = build_features(spark, ingested, settings.lake / "features", options)
    apply(settings, features.path)
    return Workspace(settings, spark, ingested, features)


def at(seconds: list[int]) -> pa.Array:
    """Epoch seconds as Arrow timestamps."""
    return pa.array([second * 1_000_000 for second in seconds], pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def seconds_of(timestamps: pa.ChunkedArray) -> list[int]:
    """The reverse of `at`."""
    return [value // 1_000_000 for value in timestamps.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()]
