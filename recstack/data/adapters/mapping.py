"""What `mapping.toml` may say: which column of a team's own tables means what."""

import tomllib
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recstack.data.adapters.mapping_tables import ItemTable, Log, Scale, Table, UserTable
from recstack.errors import DataError

FILE = "mapping.toml"

Weight = Annotated[float, Field(ge=0)]


class Mapping(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interactions: Log
    items: ItemTable | None = None
    """Without it the items are those of the interactions, and have no titles and genres."""
    users: UserTable | None = None
    """Attributes of users, for models."""
    rating: Scale | None = None
    kinds: Dictionary[str, Weight] | None = Field(None, min_length=1)
    """Kinds of events and their weights, such as {view = 1, purchase = 5}: the weight is the rating. 0 leaves a kind
    out; a row of a kind that is not named is rejected."""
    text_ids: frozenset[Literal["user", "item"]] | None = None
    """Which ids are words, or numbers that do not fit (items: 0..2^32-1). By default those that are not clearly
    numbers: decimal digits without leading zeros, in range. [] for none: ids that are no numbers cost their rows."""
    accept_rejected: bool = False
    """Whether the data are used although more than 1 % of the rows of a table are rejected."""

    @model_validator(mode="after")
    def _require_rating_and_range_together(self) -> Self:
        log = self.interactions
        if log.has_kind != (self.kinds is not None):
            raise ValueError(
                "interactions.kind (the column) and the table [kinds] (such as view = 1) belong together: give both, or"
                " neither"
            )
        if log.has_rating and self.rating is None:
            raise ValueError("interactions.rating needs the table [rating] with min, max and positive_from")
        if self.rating is not None and not (log.has_rating or log.has_kind):
            raise ValueError(
                "the table [rating] (min, max and positive_from) belongs to interactions.rating (the column): give"
                " both, or neither for a log without ratings"
            )
        if self.kinds is not None and not any(self.kinds.values()):
            raise ValueError("each of [kinds] has the weight 0, which leaves it out: give one of them a weight")
        return self

    @property
    def tables(self) -> list[tuple[str, Table]]:
        """The tables that name files, with their keys."""
        named = [("interactions", self.interactions), ("items", self.items), ("users", self.users)]
        return [(key, table) for key, table in named if table is not None]


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
        raise DataError(f'{path} is no TOML: {error}; text stands in quotes, such as file = "log.csv"') from None
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
    if key.endswith(".file") and kind == "string_type":
        return f'{key} must be one name, such as "log.csv": put several parts into a folder, and name the folder'
    own = message.removeprefix("Value error, ")
    text = own if own != message else f"{message[0].lower()}{message[1:]}"
    return f"{key}: {text}" if key else text


def _known(path: tuple[int | str, ...]) -> str:
    tables: dict[tuple[int | str, ...], type[BaseModel]] = {
        (): Mapping,
        ("interactions",): Log,
        ("items",): ItemTable,
        ("users",): UserTable,
        ("rating",): Scale,
    }
    return f" (there are {', '.join(tables[path].model_fields)})" if path in tables else ""
