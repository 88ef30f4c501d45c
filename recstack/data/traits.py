"""Facts about a dataset that later steps need; the manifest of the ingested tables holds them."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from recstack.errors import DataError
from recstack.storage.lake import Build


class Traits(BaseModel):
    """What a dataset's ratings and ids are like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rating_min: float
    rating_max: float
    positive_from: float
    """Rating from which an item counts as liked."""
    has_timestamps: bool
    typical_users_only: bool = False
    """Whether models learn only from users with neither few nor many ratings (`features.training_users`)."""
    text_ids: bool = False
    """Whether ids of users, items or both are words: these columns are strings, and `numbering` replaces them."""

    @classmethod
    def of(cls, ingested: Build) -> Self:
        """The traits of what `ingest` published.

        Raises:
            DataError: another version of recstack published it.
        """
        try:
            return cls.model_validate(ingested.manifest.get("traits", {}))
        except ValidationError:
            raise DataError(
                f"{ingested.path} was ingested by another version of recstack: run the step `ingest` again"
            ) from None
