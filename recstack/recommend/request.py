"""A request to recommend: checked field by field, with errors for the people who call the API."""

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Self

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
from recstack.recommend.bad_request import BadRequestError, describe, read_json

MOST_NAMED = 1000
MOST_EXCLUDED = 10_000
MOST_ITEMS = 100
_LARGEST_ID = 2**63 - 1

Id = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_ID)]
IdKey = Annotated[int, Field(ge=0, le=_LARGEST_ID)]  # the names in a JSON object are texts, so this one is parsed
Rating = Annotated[float, Field(strict=True, allow_inf_nan=False)]

_ID = f"a whole number from 0 to {_LARGEST_ID}"
_TRUTH = "true or false"


@dataclass(frozen=True)
class RatingScale:
    """The ratings of the training data: lowest, highest, and the rating that a liked item counts as."""

    low: float
    high: float
    liked: float


@dataclass(frozen=True)
class _Limits:
    """What a request is checked against."""

    genres: Collection[str]
    scale: RatingScale


class Request(BaseModel):
    """One request: who asks (exactly one of `user_id`, `liked`, `ratings`), and what for.

    The descriptions complete the sentence "must be …" of an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: Id | None = Field(None, description=_ID)
    liked: tuple[Id, ...] | None = Field(
        None, max_length=MOST_NAMED, description=f"a list of at most {MOST_NAMED} item ids"
    )
    ratings: dict[IdKey, Rating] | None = Field(
        None, max_length=MOST_NAMED, description=f'an object of at most {MOST_NAMED} ratings by item id: {{"50": 5}}'
    )
    k: int = Field(10, strict=True, ge=1, le=MOST_ITEMS, description=f"a whole number from 1 to {MOST_ITEMS}")
    exclude: tuple[Id, ...] = Field(
        (), max_length=MOST_EXCLUDED, description=f"a list of at most {MOST_EXCLUDED} item ids"
    )
    include_seen: StrictBool = Field(False, description=_TRUTH)
    genres: tuple[str, ...] = Field((), description="a list of genre names")
    explain: StrictBool = Field(True, description=_TRUTH)

    @classmethod
    def parse(cls, body: object, genres: Collection[str], scale: RatingScale) -> Self:
        """Check a request body.

        Args:
            body: JSON as text or bytes, or the values that a server has already read from it.
            genres: the vocabulary, lower-case.
            scale: the ratings that an anonymous user may give.

        Raises:
            BadRequestError: names the first field that is wrong.
        """
        values = read_json(body)
        if not isinstance(values, dict):
            raise BadRequestError("body", f'must be a JSON object such as {{"user_id": 42}}, not {describe(values)}')
        try:
            return cls.model_validate(values, context=_Limits(genres, scale))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = [str(part) for part in first["loc"]]
            field = ".".join(part for part in path if part != "[key]") or "body"
            if first["type"] == "value_error":
                raise BadRequestError(field, str(first["ctx"]["error"])) from None
            if first["type"] == "extra_forbidden":
                raise BadRequestError(field, _unknown_field(field, cls.model_fields)) from None
            allowed = cls._allowed(path, scale)
            raise BadRequestError(field, f"must be {allowed}, not {describe(first['input'])}") from None

    @classmethod
    def _allowed(cls, path: list[str], scale: RatingScale) -> str:
        """What may stand at this path of a request."""
        name, *inside = path
        if not inside:
            return cls.model_fields[name].description or "another value"
        if name == "genres":
            return "the name of a genre"
        if name == "ratings" and inside[-1] != "[key]":
            return f"a number from {scale.low:g} to {scale.high:g}"
        return f"an item id, {_ID}"

    def history(self, scale: RatingScale) -> History:
        """The items that an anonymous user names, without repetition, oldest first."""
        ratings = self.ratings if self.ratings is not None else dict.fromkeys(self.liked or (), scale.liked)
        return History(list(ratings), list(ratings.values()))

    @model_validator(mode="after")
    def _exactly_one_asks(self) -> Self:
        given = [name for name in ("user_id", "liked", "ratings") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"must have exactly one of user_id, liked, ratings, not {' and '.join(given) or 'none'}")
        return self

    @field_validator("genres")
    @classmethod
    def _known_genres(cls, named: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        named = tuple(dict.fromkeys(name.strip().lower() for name in named))
        if isinstance(info.context, _Limits):
            for name in named:
                if name not in info.context.genres:
                    close = get_close_matches(name, info.context.genres, n=3)
                    hint = f"did you mean {' or '.join(close)}?" if close else "choose one of "
                    raise ValueError(
                        f"there is no genre {describe(name)}; {hint}{'' if close else ', '.join(info.context.genres)}"
                    )
        return named

    @field_validator("ratings")
    @classmethod
    def _within_scale(cls, ratings: dict[int, float] | None, info: ValidationInfo) -> dict[int, float] | None:
        if isinstance(info.context, _Limits):
            scale = info.context.scale
            for item, rating in (ratings or {}).items():
                if not scale.low <= rating <= scale.high:
                    raise ValueError(f"must be from {scale.low:g} to {scale.high:g}; item {item} has {rating:g}")
        return ratings


def _unknown_field(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"is no field of a request; {hint}"
