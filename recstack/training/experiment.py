"""One dataset's features as what experiments need: training data by part of the split, and rankings to evaluate on."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import KNOWN, STRATIFIED, Part, evaluation_set
from recstack.features import vocabulary
from recstack.features.encode import Encoder
from recstack.features.live import live_features
from recstack.lake import Build
from recstack.models.base import TrainingData
from recstack.settings import Settings
from recstack.training.dataset import training_data


@dataclass(frozen=True)
class Experiment:
    """Everything that training and evaluation read."""

    settings: Settings
    spark: SparkSession
    ingested: Build
    features: Build

    @property
    def protocol(self) -> str:
        """Named protocol that the features' split follows."""
        return str(self.features.manifest["inputs"]["protocol"])

    def data(self, parts: Sequence[str]) -> TrainingData:
        """Point-in-time training rows of these parts of the split."""
        return training_data(self.settings, self.features, tuple(parts))

    def cases(self, part: Part, encoder: Encoder, seed: int = 0) -> EvaluationSet:
        """The rankings of a part, each with the user's features as they were just then."""
        interactions = pq.read_table(self.features.path / "interactions")
        frame = self.spark.read.parquet(str(self.features.path / "interactions"))
        if self.protocol == STRATIFIED:  # without time, only the split keeps the test part out of the features
            frame = frame.filter(F.col(c.SPLIT).isin(list(KNOWN[part])))
        catalogue = pq.read_table(self.ingested.path / "items", columns=[c.ITEM_ID, c.GENRES])
        genres = vocabulary.item_genres(catalogue, vocabulary.load(self.features.path))

        def live(points: pa.Table) -> pa.Table:
            return live_features(self.spark, frame, points, genres)

        return evaluation_set(self.protocol, interactions, live, encoder, part, seed)
