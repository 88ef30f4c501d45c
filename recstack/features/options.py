"""What a user may choose about the feature tables."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recstack.data.splits import default_protocol
from recstack.data.traits import Traits
from recstack.errors import UserError, choose
from recstack.features.spec import ALPHA
from recstack.features.training_users import TrainingFilter
from recstack.features.user import SnapshotEvery

BY_DAY_FROM: Final = 10_000_000
"""Interactions from which user features are dated by day if nobody says how. A row after each interaction holds all
that its user has seen so far, so that these rows grow faster than the log; docs/performance.md measures both."""


class FeatureChoices(BaseModel):
    """What a person may leave to the data; None takes what fits them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_every: SnapshotEvery | None = None
    """How fine the dated user features are; see `BY_DAY_FROM`."""
    training_filter: TrainingFilter | None = None
    """Which users models learn from; None is what the dataset asks for."""
    alpha: float = Field(ALPHA, gt=0, le=10)
    """Slope of the user-genre score."""

    @classmethod
    def read(cls, pairs: Mapping[str, str]) -> Self:
        """Choices from words: snapshot_every, alpha, and the limits of `TrainingFilter`; other limits keep all.

        Raises:
            UserError: there is no such choice, or it can't have this value.
        """
        limits, own = TrainingFilter.model_fields, ("snapshot_every", "alpha")
        for name in pairs:
            choose("feature option", name, dict.fromkeys([*own, *limits]))
        given = {name: value for name, value in pairs.items() if name in limits}
        everyone = TrainingFilter.of_everyone().model_dump()
        chosen: dict[str, Any] = {name: pairs[name] for name in own if name in pairs}
        try:
            return cls(**chosen, training_filter=TrainingFilter(**(everyone | given)) if given else None)
        except ValidationError as error:
            wrong = [f"{each['loc'][-1]} can't be {each['input']!r}: {each['msg']}" for each in error.errors()]
            raise UserError("feature option " + "; ".join(wrong)) from None


class FeatureOptions(BaseModel):
    """See `of`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    has_timestamps: bool
    split_at: date | None = None
    snapshot_every: SnapshotEvery = "interaction"
    training_filter: TrainingFilter = TrainingFilter()
    alpha: float = ALPHA

    @classmethod
    def of(
        cls,
        traits: Traits,
        rows: int,
        *,
        protocol: str | None = None,
        split_at: date | None = None,
        choices: FeatureChoices | None = None,
    ) -> Self:
        """Options for a dataset with these traits, with defaults that follow from them.

        Args:
            traits: of the ingested data.
            rows: number of interactions.
            protocol: evaluation protocol that the split follows; None takes the default for the traits.
            split_at: first day of the test part of global-time; None takes a quantile of time.
            choices: what is not left to the data.
        """
        chosen = choices or FeatureChoices()
        return cls(
            protocol=protocol or default_protocol(traits.has_timestamps),
            has_timestamps=traits.has_timestamps,
            split_at=split_at,
            snapshot_every=chosen.snapshot_every or ("day" if rows >= BY_DAY_FROM else "interaction"),
            training_filter=chosen.training_filter or TrainingFilter.of(traits),
            alpha=chosen.alpha,
        )
