"""Users as they were at given times: rows of features that are computed and encoded where a model reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from recstack.features.arrays import Ints
from recstack.features.batches import UserBatch, Users
from recstack.features.encode import Encoder
from recstack.features.interaction_log import InteractionLog, Prefixes
from recstack.features.item_genres import ItemGenres
from recstack.features.spec import RECENT_LENGTH

BLOCK: Final = 1 << 20
"""Items that the rows hold that are computed at once: 50 MB."""
KEPT: Final = 1 << 25
"""Rows that hold no more items than these together are kept in memory: 500 MB."""


@dataclass(frozen=True)
class UsersAsOf:
    """See `Users`. Memory is that of the log: no row holds a copy of its history."""

    prefixes: Prefixes
    genres: ItemGenres
    encoder: Encoder
    ids: Ints
    as_of: Ints
    """[N] epoch second of each row; ages count from it."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def known(self) -> Ints:
        """[N] how many items of the catalogue each has seen."""
        return self.prefixes.n_items(self.encoder.item_ids)

    def __getitem__(self, rows: slice) -> UserBatch:
        """A contiguous slice.

        Raises:
            ValueError: the slice has a step.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("users are cut in contiguous slices only")
        return self.take(np.arange(start, max(start, stop)))

    def take(self, rows: Ints) -> UserBatch:
        """These rows, in this order."""
        features = self.prefixes.features(rows, self.genres)
        return self.encoder.users(features, self.as_of[rows], ids=self.ids[rows])


def users_before(
    log: InteractionLog, genres: ItemGenres, encoder: Encoder, user_ids: Ints, seconds: Ints | None, as_of: Ints
) -> Users:
    """Users as they were at given times; in memory if they are few.

    Args:
        log: what happened.
        genres: the catalogue's genres.
        encoder: of the models that read these users.
        user_ids: [N] in any order, with repetitions.
        seconds: [N] epoch seconds; only what happened strictly before is known. None: all of the log is.
        as_of: [N] epoch second from which ages count.
    """
    return in_memory(UsersAsOf(log.before(user_ids, seconds), genres, encoder, user_ids, as_of))


def in_memory(users: UsersAsOf) -> Users:
    """All rows as arrays if they need no more memory than `KEPT`; else they are computed again at each reading."""
    return UserBatch.concatenate(list(blocks(users))) if _size(users).sum() <= KEPT else users


def blocks(users: Users) -> Iterator[UserBatch]:
    """All rows in contiguous batches of bounded size, at least one."""
    if isinstance(users, UserBatch):
        yield users
        return
    border = np.flatnonzero(np.diff(np.cumsum(_size(users)) // BLOCK)) + 1
    for start, stop in pairwise([0, *border.tolist(), len(users)]):
        yield users[start:stop]


def _size(users: Users) -> Ints:
    """[N] items that each row holds, about."""
    return users.known + RECENT_LENGTH
