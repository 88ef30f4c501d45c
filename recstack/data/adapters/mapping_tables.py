"""The tables of `mapping.toml`: the files of a team, and which of their columns mean what."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SPACES: Final = "spaces"
"""Value of `separator` for any number of blanks and tabs."""
REST: Final = "..."
"""End of the last name in `columns` that takes the rest of its line."""
ROW: Final = "row"
"""Value of `time` for the order of the rows."""
IN_CELL: Final = ("item", "rating", "kind")
"""Groups that `item_pattern` may have."""

Name = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[^/\\]+$")]


class Table(BaseModel):
    """A file, or a folder of parts, beside `mapping.toml`: text with a separator, JSON lines, or Parquet.

    Its contents tell which of them it is, and how it is compressed (gzip, bz2, zstd, xz, a zip of one file).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName
    separator: str | None = Field(None, min_length=1)
    """One character or several, or "spaces" for any number of blanks; by default a tab for `.tsv`, else a comma."""
    quote: str | None = Field(None, max_length=1)
    """"" for none; by default a double quote, but none with a tab or a separator of several characters. Quoted cells
    may hold separators and line breaks; a quote in them is doubled (RFC 4180)."""
    escape: str | None = Field(None, min_length=1, max_length=1)
    """Character before a quote inside a quoted cell, such as a backslash."""
    encoding: str | None = None
    """Any encoding that Python knows, such as "cp1252" or "shift_jis"; by default what a byte order mark says, else
    "utf-8". The whole file is checked."""
    columns: list[Name] | None = Field(None, min_length=1)
    """Names of all columns of a file that has no header line. A last name that ends in "..." takes the rest of the
    line: ["user", "items..."] for a line that holds a user and all their items."""
    header: bool | None = None
    """Whether the first line is a header; true together with `columns` replaces its names. By default true without
    `columns`."""
    decimal: str = Field(".", min_length=1, max_length=1)
    """"," for 4,5."""
    thousands: str | None = Field(None, min_length=1, max_length=1)
    """"," for 4,000.50."""
    null: list[str] | None = None
    """Words that mean "nothing"; by default `reading.cells.NULL_WORDS`. An empty cell always does."""

    @property
    def text_options(self) -> list[str]:
        """The given keys that only text can have."""
        names = ("separator", "columns", "encoding", "quote", "escape", "header")
        return [name for name in names if name in self.model_fields_set]

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        if name is None:
            return None
        try:
            "a".encode(name)
        except LookupError:
            raise ValueError(
                f'Python knows no encoding of text {name!r}; it knows "utf-8", "cp1252", "shift_jis", "utf-16", …'
            ) from None
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.file.endswith((".parquet", ".pq")) and self.text_options:
            raise ValueError(f"a Parquet file needs no {' or '.join(self.text_options)}: remove it")
        if self.header is False and self.columns is None:
            raise ValueError('a file without a header needs columns = ["name of the first column", …]')
        if self.thousands is not None and self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal can't both be {self.decimal!r}")
        if any(name.endswith(REST) for name in (self.columns or [])[:-1]):
            raise ValueError(f'only the last of columns may end in "{REST}": it takes the rest of the line')
        return self


class Log(Table):
    """The interactions: `[interactions]`."""

    user: Name
    item: Name
    rating: Name | None = None
    """Without it each row counts as 1, or as the weight of its `kind`."""
    kind: Name | None = None
    """Column of the kind of event, such as view or purchase; `[kinds]` gives each kind its weight."""
    time: Name | None = None
    """Without it the data have no timestamps. "row" means that the rows are in the order in which they happened (if
    there is no column of that name)."""
    time_format: Name = "iso"
    """"iso" (2024-03-01, 2024-03-01T12:30:00Z), "seconds", "milliseconds", "microseconds" or "nanoseconds" since 1970,
    a pattern of Spark such as "dd.MM.yyyy HH:mm", or one of Python such as "%d.%m.%Y %H:%M". Times without a zone are
    UTC."""
    item_separator: str | None = Field(None, min_length=1)
    """Where a cell holds several items: what stands between them; each of them becomes a row. By default the
    separator of the file, where the items are the rest of the line (`columns`)."""
    item_pattern: str | None = None
    """Regular expression for such an item, with the group `item` and perhaps `rating` or `kind`:
    "(?P<item>.+)-(?P<rating>[01])" for N55689-1."""

    @field_validator("item_pattern")
    @classmethod
    def _usable_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
        if "item" not in groups or not groups <= set(IN_CELL):
            raise ValueError(
                f"{pattern!r} must have a group item, and may have a group rating or kind, such as"
                " '(?P<item>.+)-(?P<rating>[01])'"
            )
        return pattern

    def in_pattern(self, group: str) -> bool:
        """Whether `item_pattern` has this group."""
        return self.item_pattern is not None and group in re.compile(self.item_pattern).groupindex

    @property
    def has_rating(self) -> bool:
        """Whether there are ratings, in a column or beside the items of a cell."""
        return self.rating is not None or self.in_pattern("rating")

    @property
    def has_kind(self) -> bool:
        """Whether there are kinds of events, in a column or beside the items of a cell."""
        return self.kind is not None or self.in_pattern("kind")

    @model_validator(mode="after")
    def _one_strength(self) -> Self:
        if self.user == self.item:
            raise ValueError(f"user and item can't both be the column {self.user!r}")
        if self.has_rating and self.has_kind:
            raise ValueError("a log has rating or kind, not both: remove one of them")
        if self.item_pattern is not None and self.rating is not None and self.in_pattern("rating"):
            raise ValueError("the ratings are in item_pattern: remove rating")
        return self


class ItemTable(Table):
    """The items: `[items]`."""

    item: Name
    title: Name | None = None
    genres: Name | None = None
    genre_separator: str = Field("|", min_length=1)
    """Within a cell; a list in Parquet or JSON, or written as ['Drama', 'War'], needs none."""
    year: Name | None = None
    type: Name | None = None
    episodes: Name | None = None
    mean_score: Name | None = None


class UserTable(Table):
    """What is known of the users: `[users]`. Stored beside the interactions, for models."""

    user: Name
    attributes: list[Name] = Field(min_length=1)
    """Columns to keep, by their names: numbers where all of their cells are numbers, else words."""


class Scale(BaseModel):
    """The range of the ratings: `[rating]`, in the numbers of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: float = 0.0
    max: float | None = None
    """Without it, as for plays, hours or counts, the largest that is found."""
    positive_from: float
    """Rating from which an item counts as liked."""
    transform: Literal["log"] | None = None
    """"log" makes log2(1 + rating) of each rating, so that the thousandth play counts less than the first; for ratings
    from 0 on."""
    values: Mapping[str, float] | None = None
    """Numbers for words, such as {like = 1, dislike = 0} or {true = 1, false = 0}; whether letters are capital does
    not matter."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is None and not self.min <= self.positive_from:
            raise ValueError("must be min <= positive_from")
        if self.max is not None and not self.min < self.positive_from <= self.max:
            raise ValueError("must be min < positive_from <= max")
        if self.transform == "log" and self.min < 0:
            raise ValueError('transform = "log" needs ratings from 0 on: min must be 0 or more')
        return self
