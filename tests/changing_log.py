"""A small log of ratings, and what can happen to it from one day to the next."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.contract import INTERACTIONS, ITEMS
from recstack.data.traits import Traits

DAY = 86_400
START = 1_704_067_200  # 2024-01-01
USERS, ITEM_COUNT, GENRES = 30, 24, ("comedy", "drama", "war")


@dataclass(frozen=True)
class Log:
    """Ratings of items that carry genres, and how features are made of them."""

    ratings: dict[tuple[int, int], tuple[float, int]]
    """(user, item) → rating and epoch second."""
    genres: dict[int, tuple[str, ...]]
    years: dict[int, int]
    timed: bool
    words: bool = False
    """Whether users and items have words for ids, which recstack numbers."""
    min_year: int = 0
    alpha: float = 0.1
    recent_length: int | None = None
    """Stands for a change of the feature schema."""
    renumbered: bool = False
    """Whether the lake was removed, so that words are numbered anew."""

    def dataset(self) -> "ChangingLog":
        """The adapter that reads this log."""
        kept = {item for item, year in self.years.items() if year >= self.min_year}
        rows = [(user, item, *given) for (user, item), given in sorted(self.ratings.items()) if item in kept]
        catalogue = [(item, list(self.genres[item]), self.years[item]) for item in sorted(kept)]
        return ChangingLog(rows=tuple(rows), catalogue=tuple(catalogue), timed=self.timed, words=self.words)


class ChangingLog(Dataset):
    """Reads the rows that it is given."""

    name: ClassVar[str] = "changing"
    licence: ClassVar[str] = "made up"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=1, rating_max=5, positive_from=4, has_timestamps=True)

    rows: tuple[tuple[int, int, float, int], ...]
    catalogue: tuple[tuple[int, list[str], int], ...]
    timed: bool
    words: bool

    def traits(self, source: Path) -> Traits:
        return self.fixed_traits.model_copy(update={"has_timestamps": self.timed, "text_ids": self.words})

    def files(self, source: Path) -> list[Path]:
        return []

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        at = [datetime.fromtimestamp(second, UTC) if self.timed else None for *_, second in self.rows]
        rows = [(self._id("u", u), self._id("i", i), r, t) for (u, i, r, _), t in zip(self.rows, at, strict=True)]
        return spark.createDataFrame(rows, self._schema(INTERACTIONS))

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        rows = [
            (self._id("i", item), f"Film {item}", genres, year, None, None, None)
            for item, genres, year in self.catalogue
        ]
        return spark.createDataFrame(rows, self._schema(ITEMS))

    def _id(self, letter: str, number: int) -> int | str:
        return f"{letter}{number:03d}" if self.words else number

    def _schema(self, schema: StructType) -> StructType:
        if not self.words:
            return schema
        ids = {c.USER_ID, c.ITEM_ID}
        return StructType([StructField(f.name, StringType()) if f.name in ids else f for f in schema.fields])


def first_day(timed: bool, words: bool = False) -> Log:
    """Each user rates some films, one a day."""
    draw = np.random.default_rng(5)
    ratings: dict[tuple[int, int], tuple[float, int]] = {}
    for user in range(1, USERS + 1):
        for item in draw.permutation(ITEM_COUNT)[: draw.integers(5, 12)] + 1:
            second = START + int(draw.integers(0, 100)) * DAY + int(draw.integers(0, DAY))
            ratings[user, int(item)] = (float(draw.integers(1, 6)), second)
    genres = {item: (GENRES[item % 3], GENRES[(item // 3) % 3]) for item in range(1, ITEM_COUNT + 1)}
    years = {item: 1980 + item for item in genres}
    return Log(ratings, genres, years, timed, words)


def _with(log: Log, changed: dict[tuple[int, int], tuple[float, int]]) -> Log:
    return replace(log, ratings={**log.ratings, **changed})


def _unrated(log: Log, user: int) -> list[int]:
    return [item for item in sorted(log.genres) if (user, item) not in log.ratings]


def _own(log: Log, user: int) -> list[int]:
    return [item for (rater, item) in log.ratings if rater == user]


def add(log: Log) -> Log:
    """User 1 rates five more films, and user 99 comes."""
    later = START + 101 * DAY
    new = {(1, item): (5.0, later + item) for item in _unrated(log, 1)[:5]}
    return _with(log, {**new, (99, 1): (4.0, later), (99, 2): (2.0, later + 60)})


def correct(log: Log) -> Log:
    """User 2 turns a rating upside down; its time stays."""
    item = _own(log, 2)[0]
    rating, second = log.ratings[2, item]
    return _with(log, {(2, item): (6.0 - rating if rating != 3 else 1.0, second)})


def withdraw(log: Log) -> Log:
    """User 3 takes their last rating back."""
    last = max(_own(log, 3), key=lambda item: log.ratings[3, item][1])
    return replace(log, ratings={key: given for key, given in log.ratings.items() if key != (3, last)})


def delete_user(log: Log) -> Log:
    """User 4 is no longer in the log."""
    return replace(log, ratings={key: given for key, given in log.ratings.items() if key[0] != 4})


def delete_item(log: Log) -> Log:
    """Item 5 is no longer in the catalogue, nor its ratings in the log."""
    return replace(
        log,
        ratings={key: given for key, given in log.ratings.items() if key[1] != 5},
        genres={item: genres for item, genres in log.genres.items() if item != 5},
        years={item: year for item, year in log.years.items() if item != 5},
    )


def late_event(log: Log) -> Log:
    """A rating of user 6 arrives that lies before all of theirs."""
    return _with(log, {(6, _unrated(log, 6)[0]): (5.0, START + 30)})


def new_genre(log: Log) -> Log:
    """A film with a genre that nobody has seen; its name stands in the middle of the alphabet."""
    genres, years = {**log.genres, 77: ("documentary", "war")}, {**log.years, 77: 2020}
    return replace(_with(log, {(7, 77): (5.0, START + 102 * DAY)}), genres=genres, years=years)


def genre_of_an_old_item(log: Log) -> Log:
    """Film 8 gets another genre, and one that is new."""
    return replace(log, genres={**log.genres, 8: ("animation", "comedy")})


@dataclass(frozen=True)
class Mutation:
    """What happens to the log, and whether feature rows mean something else afterwards."""

    change: Callable[[Log], Log]
    new_generation: bool = False
    first: Callable[[bool], Log] = field(default=first_day)


MUTATIONS = {
    "add": Mutation(add),
    "correct": Mutation(correct),
    "withdraw": Mutation(withdraw),
    "delete a user": Mutation(delete_user),
    "delete an item": Mutation(delete_item),
    "late event": Mutation(late_event),
    "new genre": Mutation(new_genre),
    "genre of an old item": Mutation(genre_of_an_old_item),
    "other alpha": Mutation(lambda log: replace(log, alpha=0.3), new_generation=True),
    "renumbering": Mutation(
        lambda log: replace(delete_user(log), renumbered=True),
        new_generation=True,
        first=lambda timed: first_day(timed, words=True),
    ),
    "schema change": Mutation(lambda log: replace(log, recent_length=20), new_generation=True),
    "min_year": Mutation(lambda log: replace(log, min_year=1990)),
}
