"""What a user may choose about the feature tables."""

from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from recstack.data.splits import default_protocol
from recstack.data.traits import Traits
from recstack.features.spec import ALPHA
from recstack.features.training_users import TrainingFilter
from recstack.features.user import SnapshotEvery


class FeatureOptions(BaseModel):
    """See `of`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    has_timestamps: bool
    split_at: date | None = None
    snapshot_every: SnapshotEvery = "interaction"
    training_filter: TrainingFilter = TrainingFilter()
    alpha: float = Field(ALPHA, gt=0, le=10, description="slope of the user-genre score")

    @classmethod
    def of(
        cls,
        traits: Traits,
        *,
        protocol: str | None = None,
        split_at: date | None = None,
        snapshot_every: SnapshotEvery = "interaction",
        training_filter: TrainingFilter | None = None,
        alpha: float = ALPHA,
    ) -> Self:
        """Options for a dataset with these traits, with defaults that follow from them.

        Args:
            traits: of the ingested data.
            protocol: evaluation protocol that the split follows; None takes the default for the traits.
            split_at: first day of the test part of global-time; None takes a quantile of time.
            snapshot_every: how fine the dated user features are.
            training_filter: which users models learn from; None takes what the dataset asks for.
            alpha: slope of the user-genre score.
        """
        return cls(
            protocol=protocol or default_protocol(traits.has_timestamps),
            has_timestamps=traits.has_timestamps,
            split_at=split_at,
            snapshot_every=snapshot_every,
            training_filter=training_filter or TrainingFilter.of(traits),
            alpha=alpha,
        )
