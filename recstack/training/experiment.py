"""One dataset's features as what experiments need: training data by part of the split, and rankings to evaluate on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.ingest import NEGATIVES_FOLDER
from recstack.data.split_at_random import with_fold_in
from recstack.data.splits import FOLD_IN, HELD_OUT_USERS, LEAVE_LAST_OUT_99, SPLIT_SEED, STRATIFIED
from recstack.data.targets import Target
from recstack.data.traits import Traits
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import TRAINED_PARTS, Part, build_evaluation_set
from recstack.features import vocabulary
from recstack.features.arrays import Floats
from recstack.features.encode import Encoder
from recstack.features.live import live_features
from recstack.models.training_data import TrainingData
from recstack.progress import working
from recstack.settings import Settings
from recstack.storage.lake import Build, digest
from recstack.training.dataset import training_data


@dataclass(frozen=True)
class Experiment:
    """Everything that training and evaluation read."""

    settings: Settings
    spark: SparkSession
    ingested: Build
    features: Build
    target: Target = "implicit"
    _data: dict[tuple[str, ...], TrainingData] = field(default_factory=dict)
    _cases: dict[Part, EvaluationSet] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """Named protocol that the features' split follows."""
        return str(self.features.manifest["inputs"]["protocol"])

    @property
    def fingerprint(self) -> str:
        """Digest of source, split and target: equal where the validation targets are the same, whatever the code."""
        source = {name: value for name, value in self.ingested.manifest["inputs"].items() if name != "code_version"}
        split = self.features.manifest["inputs"]
        return digest([source, split["protocol"], split["split_at"], self.target])

    @property
    def positive_from(self) -> float | None:
        """The least rating of a positive; None where all interactions are."""
        return Traits.of(self.ingested).positive_from if self.target == "positive" else None

    def data(self, parts: Sequence[str]) -> TrainingData:
        """Point-in-time training rows of these parts of the split; read once."""
        key = tuple(parts)
        if key not in self._data:
            with working(f"joining the rows of {' and '.join(key)} with their features"):
                self._data[key] = training_data(self.settings, self.features, key, self.positive_from)
        return self._data[key]

    def cases(self, part: Part) -> EvaluationSet:
        """The rankings of a part, each with the user's features as they were just then; computed once.

        They are encoded as models are that have learned from everything before the part.
        """
        if part not in self._cases:
            with working(f"computing the users' features as of each target of the {part} part"):
                known = self.data(TRAINED_PARTS[part])
                self._cases[part] = self.cases_encoded_by(known.encoder, known.items.genres, part)
        return self._cases[part]

    def cases_encoded_by(self, encoder: Encoder, item_genres: Floats, part: Part) -> EvaluationSet:
        """The rankings of a part for a model with an encoder of its own: the same users and targets, in the same order.

        Args:
            encoder: the model's; a target that is not in its catalogue is a miss.
            item_genres: [I, G] genres of its items, see `ItemBatch`.
            part: the part that holds the targets.
        """
        interactions = pq.read_table(self.features.path / "interactions")
        frame = self.spark.read.parquet(str(self.features.path / "interactions"))
        if self.protocol == STRATIFIED:  # without time, only the split keeps the test part out of the features
            frame = frame.filter(F.col(c.SPLIT).isin(list(TRAINED_PARTS[part])))
        elif self.protocol == HELD_OUT_USERS:
            divided = with_fold_in(frame.filter(F.col(c.SPLIT) == part), SPLIT_SEED)
            others = interactions.filter(pc.field(c.SPLIT) != part)
            interactions = pa.concat_tables([others, divided.toArrow().cast(others.schema)])
            frame = divided.filter(F.col(c.SPLIT) == FOLD_IN)
        catalogue = pq.read_table(self.ingested.path / "items", columns=[c.ITEM_ID, c.GENRES])
        genres = vocabulary.item_genres(catalogue, vocabulary.load(self.features.path))

        def live(points: pa.Table) -> pa.Table:
            return live_features(self.spark, frame, points, genres)

        given = self.ingested.path / NEGATIVES_FOLDER
        supplied = part == "test" and self.protocol == LEAVE_LAST_OUT_99 and given.exists()
        return build_evaluation_set(
            self.protocol,
            interactions,
            live,
            encoder,
            part,
            item_genres=item_genres,
            negatives=pq.read_table(given) if supplied else None,
            positive_from=self.positive_from,
        )
