"""One dataset's features as what experiments need: training data by part of the split, and rankings to evaluate on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.folders import INTERACTIONS_FOLDER, ITEMS_FOLDER
from recstack.data.ingest import NEGATIVES_FOLDER
from recstack.data.split_at_random import with_fold_in
from recstack.data.splits import BY_TIME, HELD_OUT_USERS, LEAVE_LAST_OUT_99, SPLIT_SEED
from recstack.data.targets import Target
from recstack.data.traits import Traits
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import TRAINED_PARTS, Part, UsersBefore, build_evaluation_set, histories_of
from recstack.evaluation.staleness import DAILY, FRESH, with_staleness
from recstack.features import vocabulary
from recstack.features.arrays import Floats
from recstack.features.encode import Encoder
from recstack.features.interaction_log import InteractionLog
from recstack.features.users_as_of import users_before
from recstack.models.training_data import TrainingData
from recstack.progress import working
from recstack.settings import Settings
from recstack.spark import read_table
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
    _cases: dict[tuple[Part, str], EvaluationSet] = field(default_factory=dict)

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

    @property
    def staleness(self) -> str:
        """How old histories are in the training rows, and so in the figures: a name of `STALENESS`."""
        daily = self.features.manifest["inputs"]["snapshot_every"] == "day" and self.protocol in BY_TIME
        return DAILY if daily else FRESH

    def cases(self, part: Part, staleness: str | None = None) -> EvaluationSet:
        """The rankings of a part, each with the user's features as serving would read them then; computed once.

        They are encoded as models are that have learned from everything before the part.

        Args:
            part: which holds the targets.
            staleness: how old the features are, a name of `STALENESS`; None takes that of the training rows.
        """
        key = part, staleness or self.staleness
        if key not in self._cases:
            known = self.data(TRAINED_PARTS[part])
            if key[1] == FRESH:
                self._cases[key] = self.cases_encoded_by(known.encoder, known.items.genres, part, FRESH)
            else:
                before = self._users_before(self._interactions(part), known.encoder, part)
                self._cases[key] = self._with_age(self.cases(part, FRESH), key[1], before)
        return self._cases[key]

    def forget(self) -> None:
        """Free the rows and rankings that were read; they are computed again where they are needed again."""
        self._data.clear()
        self._cases.clear()

    def cases_encoded_by(
        self, encoder: Encoder, item_genres: Floats, part: Part, staleness: str | None = None
    ) -> EvaluationSet:
        """The rankings of a part for a model with an encoder of its own: the same users and targets, in the same order.

        Args:
            encoder: the model's; a target that is not in its catalogue is a miss.
            item_genres: [I, G] genres of its items, see `ItemBatch`.
            part: the part that holds the targets.
            staleness: as in `cases`.
        """
        interactions = self._interactions(part)
        given = self.ingested.path / NEGATIVES_FOLDER
        supplied = part == "test" and self.protocol == LEAVE_LAST_OUT_99 and given.exists()
        with working(f"computing the users' features as of each target of the {part} part"):
            before = self._users_before(interactions, encoder, part)
            fresh = build_evaluation_set(
                self.protocol,
                interactions,
                before,
                encoder,
                part,
                item_genres=item_genres,
                negatives=pq.read_table(given) if supplied else None,
                positive_from=self.positive_from,
            )
        return self._with_age(fresh, staleness or self.staleness, before)

    def _interactions(self, part: Part) -> pa.Table:
        """All interactions with their part of the split; of held-out users some are the history, "fold-in"."""
        interactions = pq.read_table(self.features.path / INTERACTIONS_FOLDER)
        if self.protocol != HELD_OUT_USERS:
            return interactions
        frame = read_table(self.spark, self.features.path / INTERACTIONS_FOLDER)
        divided = with_fold_in(frame.filter(F.col(c.SPLIT) == part), SPLIT_SEED)
        others = interactions.filter(pc.field(c.SPLIT) != part)
        return pa.concat_tables([others, divided.toArrow().cast(others.schema)])

    def _with_age(self, fresh: EvaluationSet, staleness: str, before: UsersBefore) -> EvaluationSet:
        if staleness == FRESH:
            return fresh
        with working(f"computing the users' features as they were up to {staleness} before each target"):
            return with_staleness(fresh, staleness, before)

    def _users_before(self, interactions: pa.Table, encoder: Encoder, part: Part) -> UsersBefore:
        parts = histories_of(self.protocol, part)
        known = interactions if parts is None else interactions.filter(pc.field(c.SPLIT).isin(list(parts)))
        catalogue = pq.read_table(self.ingested.path / ITEMS_FOLDER, columns=[c.ITEM_ID, c.GENRES])
        words = vocabulary.load(self.features.path)
        genres = vocabulary.item_genres(catalogue, words, self.features.manifest["inputs"]["alpha"])
        return partial(users_before, InteractionLog.of(known), genres, encoder)
