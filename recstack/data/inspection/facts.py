"""What the tables of a mapping hold, counted in one pass."""

from collections import Counter
from dataclasses import dataclass, field

from recstack.data.inspection.counting import IdCounts, NumberCounts, Repetitions
from recstack.data.reading.losses import Losses


@dataclass
class Rejections:
    """Rows that are left out, by reason, with an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """File, line and cell, what was expected, and what to do."""

    def add(self, reason: str, rows: int, example: str) -> None:
        """Count rows."""
        if rows:
            self.counts[reason] += rows
            self.examples.setdefault(reason, example)

    def take(self, losses: Losses) -> int:
        """Count what the reader lost, and return how many lines that is; remember its examples of other reasons."""
        for reason, rows in losses.lines.items():
            self.add(reason, rows, losses.examples.get(reason, ""))
        self.examples |= {reason: losses.examples[reason] for reason in self.counts if reason in losses.examples}
        return sum(losses.lines.values())

    def total(self) -> int:
        """All rejected rows."""
        return self.counts.total()


@dataclass
class CatalogueContents:
    """What the catalogue holds."""

    items: IdCounts = field(default_factory=IdCounts)
    rows: int = 0
    titles: int = 0
    """Items with a title."""
    genres: Counter[str] = field(default_factory=Counter)
    """Items of each genre."""
    without_genres: int = 0
    years: NumberCounts = field(default_factory=NumberCounts)
    entities: str = ""
    """A title with an HTML entity such as &amp;."""
    rejected: Rejections = field(default_factory=Rejections)
    warnings: list[str] = field(default_factory=list)
    """What the reader found suspicious."""
    whole: bool = True
    """Whether all rows were read."""


@dataclass
class UserContents:
    """What the table of users holds."""

    rows: int = 0
    numbers: set[str] = field(default_factory=set)
    """Attributes that are numbers; the others are words."""
    rejected: Rejections = field(default_factory=Rejections)
    warnings: list[str] = field(default_factory=list)


@dataclass
class LogContents:
    """What the log holds."""

    rows: int = 0
    users: IdCounts = field(default_factory=IdCounts)
    items: IdCounts = field(default_factory=IdCounts)
    ratings: NumberCounts = field(default_factory=NumberCounts)
    liked: int = 0
    """Rows whose rating is `positive_from` or more."""
    seconds: NumberCounts = field(default_factory=NumberCounts)
    """Times, in seconds since 1970."""
    days_only: int = 0
    """Rows whose time is a midnight."""
    repetitions: Repetitions = field(default_factory=Repetitions)
    """Rows of the same user, item and second."""
    rejected: Rejections = field(default_factory=Rejections)
    first: list[tuple[str, ...]] = field(default_factory=list)
    """User, item, rating and time of the first rows, as text."""
    words: set[str] = field(default_factory=set)
    """Which ids are words: "user", "item"."""
    left_out: int = 0
    """Events of kinds with the weight 0."""
    warnings: list[str] = field(default_factory=list)
    """What the reader found suspicious."""
    whole: bool = True
    """Whether all rows were read."""


@dataclass
class Contents:
    """What all tables of a mapping hold."""

    log: LogContents
    items: CatalogueContents | None
    users: UserContents | None

    def rejections(self) -> list[tuple[str, int, Rejections]]:
        """Of each table its name, its rows and those that are left out."""
        found = [("interactions", self.log.rows, self.log.rejected)]
        if self.items is not None:
            found.append(("items", self.items.rows, self.items.rejected))
        if self.users is not None:
            found.append(("users", self.users.rows, self.users.rejected))
        return found


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(part: int, whole: int) -> str:
    """A share in words: never 0 % of something, nor 100 % of not all."""
    share = part / max(1, whole)
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"
