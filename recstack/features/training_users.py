"""Which users a model learns from; every user is served."""

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.traits import Traits

_RELATIVE_ERROR: Final = 0.001
"""Of `approxQuantile`, which sorts nothing."""


class TrainingFilter(BaseModel):
    """Leaves out users with too few or too many ratings, or whose ratings are all about the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lower_quantile: float = Field(0.2, ge=0, le=1, description="of the number of ratings a user")
    upper_quantile: float = Field(0.8, ge=0, le=1)
    min_range: float = Field(3.0, ge=0, description="largest minus smallest rating of the user")

    @classmethod
    def of(cls, traits: Traits) -> Self:
        """The filter that a dataset asks for: the defaults, or limits that keep all users."""
        return cls() if traits.typical_users_only else cls.of_everyone()

    @classmethod
    def of_everyone(cls) -> Self:
        """Limits that keep all users."""
        return cls(lower_quantile=0, upper_quantile=1, min_range=0)


def training_users(interactions: DataFrame, limits: TrainingFilter) -> DataFrame:
    """user_id of the users within the limits, both ends included.

    Args:
        interactions: user_id, rating: everything before the test part.
        limits: see `TrainingFilter`.
    """
    if limits == TrainingFilter.of_everyone():
        return interactions.select(c.USER_ID).distinct()
    users = interactions.groupBy(c.USER_ID).agg(
        F.count("*").alias(c.RATING_COUNT), (F.max(c.RATING) - F.min(c.RATING)).alias(c.RATING_RANGE)
    )
    quantiles = [limits.lower_quantile, limits.upper_quantile]
    bounds = users.approxQuantile(c.RATING_COUNT, quantiles, _RELATIVE_ERROR)
    if not bounds:  # no interactions at all
        return users.select(c.USER_ID)
    low, high = bounds
    return users.filter(F.col(c.RATING_COUNT).between(low, high) & (F.col(c.RATING_RANGE) >= limits.min_range)).select(
        c.USER_ID
    )
