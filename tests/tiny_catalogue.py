"""A catalogue of twelve films small enough to reason about by hand; shared by the serving tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from scipy import sparse

from recstack import columns as c
from recstack.features import spec
from recstack.features.encode import Encoder, empty_rows
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.user_features import user_features
from recstack.models.item_item.model import ItemItem
from recstack.recommend import Catalogue, RatingScale

GENRES = ("comedy", "horror", "war")
SCALE = RatingScale(low=1.0, high=5.0, liked=4.0)
NOW = 1_700_000_000
ITEMS_AS_OF = datetime(2023, 11, 1, tzinfo=UTC)
USERS_AS_OF = datetime(2023, 11, 10, tzinfo=UTC)

# item_id, title, year, genres, ratings in 30 days, ratings so far; the id's first digit tells the genre
FILMS: list[tuple[int, str, int | None, list[str], int, int]] = [
    (11, "Laughs", 1990, ["Comedy"], 9, 90),
    (12, "Giggles", 1991, ["Comedy"], 8, 80),
    (13, "Puns", None, ["Comedy"], 1, 70),
    (14, "Slips", 1993, ["Comedy"], 1, 5),
    (21, "Fangs", 1980, ["Horror"], 7, 60),
    (22, "Crypt", 1981, ["Horror"], 3, 30),
    (23, "Ghouls", 1982, ["Horror"], 2, 20),
    (24, "Howls", 1983, ["Horror"], 0, 2),
    (31, "Trenches", 1970, ["War"], 6, 50),
    (32, "Convoy", 1971, ["War"], 2, 25),
    (33, "Armada", 1972, ["War"], 1, 10),
    (34, "Funny Trenches", 1973, ["War", "Comedy"], 1, 4),
]
IDS = [film[0] for film in FILMS]
HISTORIES = {1: ([31, 32], [5.0, 4.0]), 2: ([11], [5.0]), 3: (IDS, [3.0] * len(IDS))}


def titles() -> pa.Table:
    return pa.table(
        {
            c.ITEM_ID: IDS,
            c.TITLE: [film[1] for film in FILMS],
            c.GENRES: [film[3] for film in FILMS],
            c.YEAR: pa.array([film[2] for film in FILMS], pa.int64()),
        }
    )


def items() -> pa.Table:
    values = {
        c.GENRE_INDICES: [[GENRES.index(name.lower()) for name in film[3]] for film in FILMS],
        c.YEAR: [film[2] for film in FILMS],
        c.POPULARITY_7D: [0] * len(FILMS),
        c.POPULARITY_30D: [film[4] for film in FILMS],
        c.POPULARITY_ALL: [film[5] for film in FILMS],
    }
    columns = {
        field.name: pa.array(values.get(field.name, [None] * len(FILMS)), field.type) for field in spec.schema("item")
    }
    timestamps = pa.array([ITEMS_AS_OF] * len(FILMS), pa.timestamp("us", tz="UTC"))
    return pa.table({c.ITEM_ID: pa.array(IDS, pa.int64()), c.EVENT_TIMESTAMP: timestamps, **columns})


def users(user_ids: Sequence[int]) -> pa.Table:
    """Rows of the online store: features for the users of `HISTORIES`, nulls for all others."""
    rows = [_user(HISTORIES[user]) if user in HISTORIES else empty_rows(1) for user in user_ids]
    timestamps = pa.array(
        [USERS_AS_OF if user in HISTORIES else None for user in user_ids], pa.timestamp("us", tz="UTC")
    )
    return pa.concat_tables(rows).append_column(c.EVENT_TIMESTAMP, timestamps)


def encoder() -> Encoder:
    known = users(list(HISTORIES)).drop([c.EVENT_TIMESTAMP])
    return Encoder.fit(known, np.full(len(HISTORIES), NOW), items(), GENRES)


def catalogue() -> Catalogue:
    return Catalogue.build(encoder(), titles(), items())


def model() -> ItemItem:
    """Items are similar when they share a genre, and more so the more popular they are."""
    about = catalogue()
    shared = (about.features.genres @ about.features.genres.T > 0) * (1 + about.popularity[None, :])
    np.fill_diagonal(shared, 0.0)
    return ItemItem(sparse.csr_array(shared.astype(np.float32)), np.zeros(len(IDS), np.float32))


def _user(history: tuple[list[int], list[float]]) -> pa.Table:
    item_ids, ratings = history
    block = Histories(
        np.array(item_ids), np.array(ratings), np.arange(NOW - len(item_ids), NOW, dtype=np.int64), has_timestamps=True
    )
    return user_features(Past(block, np.array([0]), np.array([len(item_ids)])), _genres())


def _genres() -> ItemGenres:
    lists = items()[c.GENRE_INDICES].to_pylist()
    offsets = np.concatenate([[0], np.cumsum([len(names) for names in lists])])
    return ItemGenres(np.array(IDS), offsets, np.concatenate(lists), len(GENRES))
