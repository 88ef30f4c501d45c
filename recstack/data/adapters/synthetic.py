"""Ratings of any number, made in Spark from planted tastes that a test can look up."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.synthetic_catalogue import SyntheticCatalogue, item_genres
from recstack.data.adapters.synthetic_draws import (
    DRAW_SALT,
    ITEM_SALT,
    NOISE_SALT,
    TASTE_SALT,
    TIME_SALT,
    USER_SALT,
    Ints,
    hashed,
    normal,
    order,
    uniform,
)
from recstack.data.contract import INTERACTIONS, ITEMS
from recstack.data.timestamps import DAY
from recstack.data.traits import Traits

FAVOURITES: Final = 3
"""How many favourite genres each user has."""

_TASTE: Final = 0.7
"""Share of ratings that go to a favourite genre."""
_SESSION: Final = 10
"""Ratings in a session."""
_START: Final = 1_704_067_200
"""2024-01-01, in epoch seconds."""
_PERIOD: Final = 180 * DAY
_ROWS: Final = 50_000
"""About so many ratings are made at a time, which bounds the memory."""


class Synthetic(Dataset):
    """Users rate mostly their favourite genres, and higher; item popularity is a power law.

    Every value is a hash of the seed and of what it belongs to, so that partitioning can't change it and no row
    depends on another one's generation.
    """

    name: ClassVar[str] = "synthetic"
    licence: ClassVar[str] = "made up; no restrictions"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=0.5, rating_max=5.0, positive_from=4.0, has_timestamps=True)

    n_users: int = Field(1_000, ge=1)
    n_items: int = Field(500, ge=FAVOURITES)
    n_genres: int = Field(20, ge=FAVOURITES)
    further_genres: int = Field(0, ge=0, description="of each item, in addition to its one to three")
    mean_ratings: int = Field(40, ge=1, description="ratings of a user on average, while it is far below n_items")
    heaviest: int = Field(0, ge=0, description="ratings of user 1, at most n_items; 0 draws them as everybody's")
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
        draws = hashed(self.seed, TASTE_SALT, keys, np.arange(self.n_genres))
        return order(draws)[:, :FAVOURITES]


def genre_name(genre: int) -> str:
    """Name of a genre in the items table."""
    return f"genre {genre:03d}"


def _interactions(spec: Synthetic, block: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    catalogue = SyntheticCatalogue.of(spec.seed, spec.n_items, spec.n_genres, spec.further_genres)
    for batch in batches:
        for number in batch.column(0).to_numpy():
            users = np.arange(number * block, min((number + 1) * block, spec.n_users)) + 1
            yield _block(spec, catalogue, users)


def _block(spec: Synthetic, catalogue: SyntheticCatalogue, users: Ints) -> pa.RecordBatch:
    favourites = spec.tastes(users)
    row, item, nth = _choices(spec, catalogue, users, favourites)
    genres = catalogue.genres[item]
    hits = (genres[:, :, None] == favourites[row][:, None, :]).any(axis=2).sum(axis=1)
    share = hits / (genres >= 0).sum(axis=1)
    rating = 2.4 + 2.0 * share + 0.8 * normal(spec.seed, NOISE_SALT, users[row], item)
    return pa.record_batch(
        {
            c.USER_ID: users[row],
            c.ITEM_ID: item + 1,
            c.RATING: (np.rint(2 * rating) / 2).clip(0.5, 5.0).astype(np.float32),
            c.TIMESTAMP: pa.array(_seconds(spec, users[row], nth) * 1_000_000, pa.timestamp("us", "UTC")),
        }
    )


def _choices(spec: Synthetic, catalogue: SyntheticCatalogue, users: Ints, favourites: Ints) -> tuple[Ints, Ints, Ints]:
    """Index of the user, item (0-based) and number within the user of each rating."""
    activity = np.exp(normal(spec.seed, USER_SALT, users) - 0.5) * spec.mean_ratings
    wanted = np.rint(activity).astype(np.int64).clip(1, max(1, spec.n_items // 4))

    # Twice as many draws as ratings, because repeated items are dropped.
    row = np.repeat(np.arange(len(users)), 2 * wanted)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(2 * wanted) - 2 * wanted, 2 * wanted)
    choice = uniform(spec.seed, DRAW_SALT, users[row], nth, 0)
    liked = favourites[row, (choice / _TASTE * FAVOURITES).astype(np.int64).clip(max=FAVOURITES - 1)]
    group = np.where(choice < _TASTE, liked, spec.n_genres)
    item = catalogue.draw(group, uniform(spec.seed, DRAW_SALT, users[row], nth, 1))

    first = np.sort(np.unique(row * spec.n_items + item, return_index=True)[1])
    row, item = row[first], item[first]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    kept = nth < wanted[row]
    if not spec.heaviest or users[0] != 1:
        return row[kept], item[kept], nth[kept]
    kept &= row > 0
    own = np.argsort(hashed(spec.seed, DRAW_SALT, 1, np.arange(spec.n_items)))[: spec.heaviest]
    row, nth = (
        np.concatenate(pair) for pair in ((np.zeros(len(own), int), row[kept]), (np.arange(len(own)), nth[kept]))
    )
    return row, np.concatenate([own, item[kept]]), nth


def _seconds(spec: Synthetic, users: Ints, nth: Ints) -> Ints:
    """Epoch second of each rating: a user joins at some time and then rates in sessions."""
    joined = uniform(spec.seed, TIME_SALT, users, 0) * 0.7
    session = joined + (1 - joined) * uniform(spec.seed, TIME_SALT, users, 1 + nth // _SESSION)
    return _START + (session * _PERIOD).astype(np.int64) + nth % _SESSION * 60


def _items(spec: Synthetic, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        items = batch.column(0).to_numpy()
        size = len(items)
        drawn = item_genres(spec.seed, items, spec.n_genres, spec.further_genres)
        genres = [[genre_name(g) for g in row if g >= 0] for row in drawn]
        year = 1980 + (uniform(spec.seed, ITEM_SALT, items, 3) * 45).astype(np.int32)
        values = [pa.array(items), [f"Film {i}" for i in items], pa.array(genres, pa.list_(pa.string())), year]
        nulls = [pa.nulls(size, pa.string()), pa.nulls(size, pa.int32()), pa.nulls(size, pa.float32())]
        yield pa.record_batch([pa.array(v) for v in [*values, *nulls]], names=ITEMS.names)
