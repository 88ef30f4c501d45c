"""What a request gets: the answer with its items, and a batch of answers with what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

Policy = Literal["personal", "cold_start", "popular"]
"""What a ranking is based on: stored features of a user, items named in the request, or popularity."""

Cause = Literal["store", "model"]
"""What failed: the online store could not be read, or the model could not score."""
CAUSES: Final[tuple[Cause, ...]] = ("store", "model")


@dataclass(frozen=True)
class Item:
    """One recommended item."""

    item_id: int
    title: str
    year: int | None
    genres: Sequence[str]
    score: float
    reasons: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """The answer to one request."""

    model_version: str
    feature_version: str
    policy: Policy
    features_as_of: str | None
    """ISO 8601: from when on the features behind the ranking were known (the user's, or the items' if popular)."""
    items: Sequence[Item]
    unknown_items: Sequence[int]
    """Items that the request names and the catalogue does not have."""

    def payload(self) -> dict[str, Any]:
        """The answer as plain values for JSON."""
        return {**vars(self), "items": [vars(item) for item in self.items]}


@dataclass(frozen=True)
class Failure:
    """Something is broken, and one request got popular items instead of its answer."""

    cause: Cause
    error: str
    """What was raised, in one line."""


@dataclass(frozen=True)
class AnsweredBatch:
    """Answers in the order of the requests, and what the batch cost."""

    answers: Sequence[Answer]
    feature_read_ms: float
    scoring_ms: float
    missing_features: int
    """Requests by user_id without features in the online store: nothing is known of these users."""
    failures: Sequence[Failure]
    """One for each request that the store or the model failed."""


def iso_utc(timestamp: datetime | None) -> str | None:
    """A timestamp as ISO 8601 in UTC, such as 2023-11-10T00:00:00Z; one without a zone counts as UTC."""
    if timestamp is None:
        return None
    zoned = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
