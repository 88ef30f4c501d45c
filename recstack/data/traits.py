"""What everything after ingest must know of a dataset's ratings; it travels in the manifest of the ingested tables."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from recstack.errors import DataError
from recstack.storage.lake import Build


class Traits(BaseModel):
    """See the class variables of `Dataset`, where adapters of a fixed layout say the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rating_min: float
    rating_max: float
    positive_from: float
    has_timestamps: bool
    typical_users_only: bool = False
    text_ids: bool = False

    @classmethod
    def of(cls, ingested: Build) -> Self:
        """The traits of the data that `interactions.ingest` published.

        Raises:
            DataError: another version of recstack did.
        """
        try:
            return cls.model_validate(ingested.manifest.get("traits", {}))
        except ValidationError:
            raise DataError(
                f"{ingested.path} was ingested by another version of recstack: run the step `ingest` again"
            ) from None
