"""What `mapping.toml` may say: which column of a team's own tables means what."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recstack.errors import DataError

FILE = "mapping.toml"

Name = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[^/\\]+$")]


class Table(BaseModel):
    """A file beside `mapping.toml`: text with a separator (plain or `.gz`), or Parquet (a file or a folder)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName
    separator: str | None = Field(None, min_length=1)
    """By default a tab for `.tsv`, else a comma."""
    columns: list[Name] | None = None
    """Names of all columns of a file that has no header line."""
    encoding: Literal["utf-8", "iso-8859-1"] = "utf-8"
    quote: str | None = Field(None, max_length=1)
    """"" for none; by default a double quote, but none with a tab or a separator of several characters."""

    @property
    def is_parquet(self) -> bool:
        """Whether the file contains the types of its columns."""
        return self.file.endswith(".parquet")

    @model_validator(mode="after")
    def _reject_text_options_for_parquet(self) -> Self:
        given = [name for name in ("separator", "columns", "encoding", "quote") if name in self.model_fields_set]
        if self.is_parquet and given:
            raise ValueError(f"a Parquet file needs no {' or '.join(given)}: remove it")
        return self


class Log(Table):
    """The interactions: `[interactions]`."""

    user: Name
    item: Name
    rating: Name | None = None
    """Without it each row counts as 1."""
    time: Name | None = None
    """Without it the data have no timestamps."""
    time_format: Name = "iso"
    """"iso" (2024-03-01, 2024-03-01T12:30:00Z), "seconds", "milliseconds", "microseconds" or "nanoseconds" since 1970,
    or a pattern of Spark such as "dd.MM.yyyy HH:mm". Times without a zone are UTC."""


class ItemTable(Table):
    """The items: `[items]`."""

    item: Name
    title: Name | None = None
    genres: Name | None = None
    genre_separator: str = Field("|", min_length=1)
    """Within a cell; a list in Parquet needs none."""
    year: Name | None = None
    type: Name | None = None
    episodes: Name | None = None
    mean_score: Name | None = None


class Scale(BaseModel):
    """The range of the ratings: `[rating]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: float
    max: float
    positive_from: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min < self.positive_from <= self.max:
            raise ValueError("must be min < positive_from <= max")
        return self


class Mapping(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interactions: Log
    items: ItemTable | None = None
    """Without it the items are those of the interactions, and have no titles and genres."""
    rating: Scale | None = None
    text_ids: frozenset[Literal["user", "item"]] = frozenset()
    """Which ids are words, or numbers that do not fit (items: 0..2^32-1)."""

    @model_validator(mode="after")
    def _require_rating_and_range_together(self) -> Self:
        if (self.interactions.rating is None) != (self.rating is None):
            raise ValueError(
                "interactions.rating (the column) and the table [rating] (min, max and positive_from) belong together:"
                " give both, or neither for a log without ratings"
            )
        return self


def read_mapping(folder: Path) -> Mapping:
    """Read `mapping.toml`.

    Raises:
        DataError: the file is not there, is no TOML, or has keys or values that `Mapping` does not allow.
    """
    path = folder / FILE
    try:
        return Mapping.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): docs/adding-a-dataset.md describes it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no TOML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(_message(each["type"], each["loc"], each["msg"]) for each in error.errors())
        raise DataError(f"{path}: {wrong}; docs/adding-a-dataset.md lists the keys") from None


def _message(kind: str, path: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, path))
    if kind == "extra_forbidden":
        return f"there is no key {key}{_known(path[:-1])}"
    if kind == "missing":
        return f"{key} is missing"
    if key.endswith(".file") and kind == "string_pattern_mismatch":
        return f"{key} must be a name without a path: put the file beside {FILE}, a link will do"
    message = message.removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message


def _known(path: tuple[int | str, ...]) -> str:
    tables: dict[tuple[int | str, ...], type[BaseModel]] = {
        (): Mapping,
        ("interactions",): Log,
        ("items",): ItemTable,
        ("rating",): Scale,
    }
    return f" (there are {', '.join(tables[path].model_fields)})" if path in tables else ""
