"""Interactions small enough to reason about, and the features and tensors that follow; shared by tests of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from recstack import columns as c
from recstack.data.splits import AT_RANDOM
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import Part, UsersBefore, build_evaluation_set, histories_of
from recstack.features.batches import UserBatch
from recstack.features.encode import Encoder
from recstack.features.interaction_log import InteractionLog
from recstack.features.item_genres import ItemGenres
from recstack.features.request_time import History, user_rows
from recstack.features.spec import RECENT_LENGTH, USER_SCALARS, schema
from recstack.features.users_as_of import users_before
from recstack.models.training_data import TrainingData

DAY = 86_400
GENRES = ("comedy", "horror", "war")


@dataclass(frozen=True)
class Log:
    """Interactions sorted by (user, time, item)."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray
    n_items: int

    @property
    def genres(self) -> ItemGenres:
        """Item i carries the one genre i mod 3."""
        ids = np.arange(self.n_items)
        return ItemGenres(ids, np.arange(self.n_items + 1), ids % len(GENRES), len(GENRES))

    def table(self, split: list[str] | np.ndarray, timed: bool = True) -> pa.Table:
        timestamps = pa.array(self.time * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
        return pa.table(
            {
                c.USER_ID: self.user,
                c.ITEM_ID: self.item,
                c.RATING: self.rating,
                c.TIMESTAMP: timestamps if timed else pa.nulls(len(self.user), timestamps.type),
                c.SPLIT: pa.array(list(split)),
            }
        )

    def rows(self, mask: np.ndarray) -> "Log":
        return Log(self.user[mask], self.item[mask], self.rating[mask], self.time[mask], self.n_items)

    def known(self, timed: bool = True) -> InteractionLog:
        return InteractionLog.of(self.table(["train"] * len(self.user), timed))

    def live(self, timed: bool = True, encoder: Encoder | None = None) -> UsersBefore:
        """Users from this log, strictly before each second; from all of it without seconds."""
        return partial(users_before, self.known(timed), self.genres, encoder or self.encoder())

    def items(self) -> pa.Table:
        counts = np.bincount(self.item, minlength=self.n_items)
        values = {
            c.GENRE_INDICES: [[i % len(GENRES)] for i in range(self.n_items)],
            c.YEAR: [1990 + i % 10 for i in range(self.n_items)],
            **{name: counts for name in (c.POPULARITY_7D, c.POPULARITY_30D, c.POPULARITY_ALL)},
        }
        columns = {f.name: pa.array(values.get(f.name, [None] * self.n_items), f.type) for f in schema("item")}
        return pa.table({c.ITEM_ID: np.arange(self.n_items), **columns})

    def encoder(self) -> Encoder:
        return Encoder.fit(self._just_before(), self.time, self.items(), GENRES)

    def training(self, encoder: Encoder) -> TrainingData:
        items = encoder.items(self.items())
        return TrainingData(
            encoder=encoder,
            items=items,
            user=np.unique(self.user, return_inverse=True)[1],
            item=encoder.positions(self.item),
            rating=self.rating.astype(np.float32),
            timestamp=self.time,
            users=encoder.users(self._just_before(), self.time, ids=self.user),
            popularity=items.popularity[None],
            snapshot=np.zeros(len(self.user), dtype=np.int64),
            eligible=np.ones(len(self.user), dtype=bool),
        )

    def _just_before(self) -> pa.Table:
        return self.known().before(self.user, self.time).features(np.arange(len(self.user)), self.genres)


def rankings(
    protocol: str, history: Log, split: list[str] | np.ndarray, part: Part = "test", **options: Any
) -> EvaluationSet:
    """The evaluation set of a protocol, whose features come from what it lets models know."""
    timed, parts = protocol not in AT_RANDOM, histories_of(protocol, part)
    known = history if parts is None else history.rows(np.isin(split, parts))
    encoder = history.encoder()
    return build_evaluation_set(
        protocol, history.table(split, timed), known.live(timed, encoder), encoder, part, **options
    )


def log(rows: list[tuple[int, int, int]], n_items: int) -> Log:
    """From (user, item, day) rows in any order, all rated 4."""
    user, item, day = np.array(sorted(rows, key=lambda row: (row[0], row[2], row[1]))).T
    return Log(user, item, np.full(len(user), 4.0), day * DAY, n_items)


def random_log(n_users: int = 60, n_items: int = 45, seed: int = 0) -> Log:
    """Users with one favourite genre, over popular and rare items, a handful of interactions a day."""
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, n_items + 1)
    rows = []
    for user in range(n_users):
        taste = popularity * np.where(np.arange(n_items) % len(GENRES) == user % len(GENRES), 8.0, 1.0)
        chosen = random.choice(n_items, size=random.integers(5, 25), replace=False, p=taste / taste.sum())
        start = int(random.integers(0, 60))
        rows += [(user, int(item), start + rank // 3) for rank, item in enumerate(chosen)]
    return log(rows, n_items)


def of_one_genre(n_users: int = 90, n_items: int = 90) -> Log:
    """Each user takes ten items of the one genre that they like, in random order; a third of the items a genre."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        liked = np.arange(user % len(GENRES), n_items, len(GENRES))
        rows += [(user, int(item), day) for day, item in enumerate(random.choice(liked, 10, replace=False))]
    return log(rows, n_items)


def new_users(history: Log, data: TrainingData, liked: Sequence[Sequence[int]]) -> UserBatch:
    """Users that training never saw, who like these items; the last one is the newest."""
    now = int(history.time.max())
    rows = user_rows([History(items, [5.0] * len(items)) for items in liked], history.genres, now)
    return data.encoder.users(rows, np.full(len(liked), now))


def viewers(*histories: list[int], genres: list[list[float]] | None = None) -> UserBatch:
    """Users with nothing but the items of their histories, newest first, and a centred genre profile."""
    count = len(histories)
    recent = np.full((count, RECENT_LENGTH), -1)
    for row, items in enumerate(histories):
        recent[row, : len(items)] = items[:RECENT_LENGTH]
    return UserBatch(
        genres=np.zeros((count, len(GENRES)), dtype=np.float32) if genres is None else np.float32(genres),
        scalars=np.zeros((count, len(USER_SCALARS)), dtype=np.float32),
        recent=recent,
        recent_ratings=np.zeros((count, RECENT_LENGTH), dtype=np.float32),
        seen_offsets=np.append(0, np.cumsum([len(items) for items in histories])),
        seen=np.array([item for items in histories for item in sorted(items)], dtype=np.int64),
        seen_ratings=np.full(sum(map(len, histories)), np.nan, dtype=np.float16),
        ids=np.full(count, -1),
    )
