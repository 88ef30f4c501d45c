"""What may be asked: one validated request, or an error that names the field and the reason."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from recstack.features.request_time import History

MOST_NAMED = 1000
MOST_EXCLUDED = 10_000

Id = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
IdKey = Annotated[int, Field(ge=0, lt=2**63)]  # an object's keys are strings in JSON, so this one is parsed
Rating = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class BadRequestError(ValueError):
    """A request that cannot be answered, for the one who sent it."""

    def __init__(self, field: str, reason: str) -> None:
        """Keep the path of the field ("liked.2") and the reason, both for people."""
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class RatingScale:
    """The ratings of the training data: lowest, highest, and what a liked item of a stranger counts as."""

    low: float
    high: float
    liked: float


@dataclass(frozen=True)
class _Known:
    """What a request is checked against."""

    genres: Collection[str]
    scale: RatingScale


class Request(BaseModel):
    """One request: who asks (exactly one of `user_id`, `liked`, `ratings`), and what for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: Id | None = None
    liked: tuple[Id, ...] | None = Field(None, max_length=MOST_NAMED)
    ratings: dict[IdKey, Rating] | None = Field(None, max_length=MOST_NAMED)
    k: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    exclude: tuple[Id, ...] = Field((), max_length=MOST_EXCLUDED)
    include_seen: StrictBool = False
    genres: tuple[str, ...] = ()
    explain: StrictBool = True

    @classmethod
    def parse(cls, body: object, genres: Collection[str], scale: RatingScale) -> Self:
        """Check a request body.

        Args:
            body: JSON as text or bytes, or what a server has parsed of it already.
            genres: the vocabulary, lower-case.
            scale: the ratings that a stranger may give.

        Raises:
            BadRequestError: names the first field that is wrong.
        """
        try:
            return cls.model_validate(_json(body), context=_Known(genres, scale))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(str(part) for part in first["loc"] if part != "[key]")
            raise BadRequestError(path or "body", first["msg"].removeprefix("Value error, ")) from None

    def history(self, scale: RatingScale) -> History:
        """What a stranger tells, without repetition, in the order of naming."""
        told = self.ratings if self.ratings is not None else dict.fromkeys(self.liked or (), scale.liked)
        return History(list(told), list(told.values()))

    @model_validator(mode="after")
    def _one_asker(self) -> Self:
        if [self.user_id, self.liked, self.ratings].count(None) != 2:
            raise ValueError("give exactly one of user_id, liked, ratings")
        return self

    @field_validator("genres")
    @classmethod
    def _known_genres(cls, named: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        named = tuple(dict.fromkeys(name.strip().lower() for name in named))
        if isinstance(info.context, _Known):
            for name in named:
                if name not in info.context.genres:
                    close = get_close_matches(name, info.context.genres, n=3)
                    hint = f"did you mean {' or '.join(close)}?" if close else "see the vocabulary in the archive"
                    raise ValueError(f"unknown genre {name!r}; {hint}")
        return named

    @field_validator("ratings")
    @classmethod
    def _within_scale(cls, ratings: dict[int, float] | None, info: ValidationInfo) -> dict[int, float] | None:
        if isinstance(info.context, _Known):
            scale = info.context.scale
            for item, rating in (ratings or {}).items():
                if not scale.low <= rating <= scale.high:
                    raise ValueError(f"rating {rating:g} of item {item} is outside {scale.low:g}..{scale.high:g}")
        return ratings


def _json(body: object) -> Any:
    if body is None or body in (b"", ""):
        raise BadRequestError("body", "is empty; send JSON with the header Content-Type: application/json")
    if not isinstance(body, (str, bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("body", f"is not JSON: {error}") from None
