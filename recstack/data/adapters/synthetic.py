"""Ratings of any number, made in Spark from planted tastes that a test can look up."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.contract import INTERACTIONS, ITEMS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FAVOURITES = 3
"""How many favourite genres each user has."""

_TASTE = 0.7  # share of ratings that go to a favourite genre
_POWER = 0.8  # popularity of the item of rank r is (r + 1) ** -_POWER
_SESSION = 10  # ratings in a session
_START, _PERIOD = 1_704_067_200, 180 * 86_400  # from 2024-01-01, seconds
_ROWS = 50_000  # about so many ratings are made at a time: bounds the memory

_ITEM_SALT, _USER_SALT, _TASTE_SALT, _DRAW_SALT, _TIME_SALT, _NOISE_SALT = range(6)


class Synthetic(Dataset):
    """Users rate mostly their favourite genres, and higher; item popularity is a power law.

    Every value is a hash of the seed and of what it belongs to, so that partitioning can't change it and no row
    depends on another one's generation.
    """

    name: ClassVar[str] = "synthetic"
    licence: ClassVar[str] = "made up; no restrictions"
    rating_min: ClassVar[float] = 0.5
    rating_max: ClassVar[float] = 5.0
    positive_from: ClassVar[float] = 4.0
    has_timestamps: ClassVar[bool] = True

    n_users: int = Field(1_000, ge=1)
    n_items: int = Field(500, ge=FAVOURITES)
    n_genres: int = Field(20, ge=FAVOURITES)
    further_genres: int = Field(0, ge=0, description="that each item carries beside its one to three")
    mean_ratings: int = Field(40, ge=1, description="ratings of a user on average, while it is far below n_items")
    seed: int = Field(0, ge=0)

    def files(self, source: Path) -> list[Path]:
        """None."""
        return []

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Users 1..n_users, log-normal in activity, in sessions over half a year; `source` is ignored."""
        block = max(1, _ROWS // self.mean_ratings)
        blocks = spark.range(-(-self.n_users // block))
        return blocks.mapInArrow(partial(_interactions, self, block), INTERACTIONS)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """Items 1..n_items of one to three genres; `source` is ignored."""
        return spark.range(1, self.n_items + 1).mapInArrow(partial(_items, self), ITEMS)

    def tastes(self, users: npt.ArrayLike) -> Ints:
        """[U, 3] planted favourite genres of users, as numbers for `genre_name`."""
        keys = np.asarray(users)[:, None]
        draws = _hash(self.seed, _TASTE_SALT, keys, np.arange(self.n_genres))
        return _order(draws)[:, :FAVOURITES]


def genre_name(genre: int) -> str:
    """Name of a genre as it stands in the items table."""
    return f"genre {genre:03d}"


@dataclass(frozen=True)
class _Catalogue:
    genres: Ints
    """[I, 3 + further] genres of each item, -1 pads."""
    members: Ints
    """Items (0-based) of genre 0, of genre 1, …, and at last all items."""
    cumulative: Floats
    """Running sum of the popularity of `members`."""
    bounds: Floats
    """[G + 2] value of `cumulative` at which each group begins, and the total."""

    @classmethod
    def of(cls, spec: Synthetic) -> Self:
        items = np.arange(1, spec.n_items + 1)
        genres = _genres(spec, items)
        rank = np.argsort(np.argsort(_hash(spec.seed, _ITEM_SALT, items, 0)))
        owner, slot = np.nonzero(genres >= 0)
        group = np.concatenate([genres[owner, slot], np.full(spec.n_items, spec.n_genres)])
        member = np.concatenate([owner, np.arange(spec.n_items)])
        order = np.argsort(group, kind="stable")
        cumulative = np.cumsum((rank[member[order]] + 1.0) ** -_POWER)
        sizes = np.bincount(group, minlength=spec.n_genres + 1)
        bounds = np.concatenate([[0.0], cumulative])[np.concatenate([[0], np.cumsum(sizes)])]
        return cls(genres, member[order], cumulative, bounds)

    def draw(self, group: Ints, uniform: Floats) -> Ints:
        """An item of each group by popularity; of the whole catalogue where the group is empty."""
        group = np.where(self.bounds[group] < self.bounds[group + 1], group, len(self.bounds) - 2)
        point = self.bounds[group] + uniform * (self.bounds[group + 1] - self.bounds[group])
        place = np.searchsorted(self.cumulative, point, side="right").clip(max=len(self.members) - 1)
        drawn: Ints = self.members[place]
        return drawn


def _interactions(spec: Synthetic, block: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    catalogue = _Catalogue.of(spec)
    for batch in batches:
        for number in batch.column(0).to_numpy():
            users = np.arange(number * block, min((number + 1) * block, spec.n_users)) + 1
            yield _block(spec, catalogue, users)


def _block(spec: Synthetic, catalogue: _Catalogue, users: Ints) -> pa.RecordBatch:
    activity = np.exp(_normal(spec.seed, _USER_SALT, users) - 0.5) * spec.mean_ratings
    wanted = np.rint(activity).astype(np.int64).clip(1, max(1, spec.n_items // 4))
    favourites = spec.tastes(users)

    # Twice as many draws as ratings, because repeated items are dropped.
    row = np.repeat(np.arange(len(users)), 2 * wanted)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(2 * wanted) - 2 * wanted, 2 * wanted)
    choice = _uniform(spec.seed, _DRAW_SALT, users[row], nth, 0)
    liked = favourites[row, (choice / _TASTE * FAVOURITES).astype(np.int64).clip(max=FAVOURITES - 1)]
    group = np.where(choice < _TASTE, liked, spec.n_genres)
    item = catalogue.draw(group, _uniform(spec.seed, _DRAW_SALT, users[row], nth, 1))

    first = np.sort(np.unique(row * spec.n_items + item, return_index=True)[1])
    row, item = row[first], item[first]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    row, item, nth = row[nth < wanted[row]], item[nth < wanted[row]], nth[nth < wanted[row]]

    genres = catalogue.genres[item]
    hits = (genres[:, :, None] == favourites[row][:, None, :]).any(axis=2).sum(axis=1)
    share = hits / (genres >= 0).sum(axis=1)
    rating = 2.4 + 2.0 * share + 0.8 * _normal(spec.seed, _NOISE_SALT, users[row], item)
    joined = _uniform(spec.seed, _TIME_SALT, users[row], 0) * 0.7
    session = joined + (1 - joined) * _uniform(spec.seed, _TIME_SALT, users[row], 1 + nth // _SESSION)
    second = _START + (session * _PERIOD).astype(np.int64) + nth % _SESSION * 60
    return pa.record_batch(
        {
            c.USER_ID: users[row],
            c.ITEM_ID: item + 1,
            c.RATING: (np.rint(2 * rating) / 2).clip(0.5, 5.0).astype(np.float32),
            c.TIMESTAMP: pa.array(second * 1_000_000, pa.timestamp("us", "UTC")),
        }
    )


def _items(spec: Synthetic, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        items = batch.column(0).to_numpy()
        size = len(items)
        genres = [[genre_name(g) for g in row if g >= 0] for row in _genres(spec, items)]
        year = 1980 + (_uniform(spec.seed, _ITEM_SALT, items, 3) * 45).astype(np.int32)
        values = [pa.array(items), [f"Film {i}" for i in items], pa.array(genres, pa.list_(pa.string())), year]
        nulls = [pa.nulls(size, pa.string()), pa.nulls(size, pa.int32()), pa.nulls(size, pa.float32())]
        yield pa.record_batch([pa.array(v) for v in [*values, *nulls]], names=ITEMS.names)


def _genres(spec: Synthetic, items: Ints) -> Ints:
    """[I, 3 + further] distinct genres of items; -1 pads, for 40 % of the second and 70 % of the third."""
    draws = _hash(spec.seed, _ITEM_SALT, items[:, None], 4 + np.arange(spec.n_genres))
    genres = _order(draws)[:, : 3 + spec.further_genres]
    genres[_uniform(spec.seed, _ITEM_SALT, items, 1) < 0.4, 1] = -1
    genres[_uniform(spec.seed, _ITEM_SALT, items, 2) < 0.7, 2] = -1
    return genres


def _order(draws: npt.NDArray[np.uint64]) -> Ints:
    order: Ints = np.argsort(draws, axis=1, kind="stable")
    return order


def _hash(*keys: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """splitmix64 (Steele et al. 2014) folded over the keys, element by element."""
    state = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            state = (state ^ np.asarray(key).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def _uniform(*keys: npt.ArrayLike) -> Floats:
    return (_hash(*keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _normal(*keys: npt.ArrayLike) -> Floats:
    """Box-Muller."""
    radius: Floats = np.sqrt(-2 * np.log1p(-_uniform(*keys, 0)))
    angle: Floats = np.cos(2 * np.pi * _uniform(*keys, 1))
    return radius * angle
