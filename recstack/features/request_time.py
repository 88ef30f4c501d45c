"""User features of anonymous users, computed when they ask, by the same formulas as the batch job."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.user_features import user_features


@dataclass(frozen=True)
class History:
    """Items that an anonymous user names, with ratings, in the order in which they are named (the last is newest)."""

    item_ids: Sequence[int]
    ratings: Sequence[float]


def user_rows(histories: Sequence[History], genres: ItemGenres, now: int | None) -> pa.Table:
    """Features of B anonymous users.

    Args:
        histories: one per user; may be empty (a row of nulls).
        genres: the catalogue's genres.
        now: epoch second of the request; all named items count as rated then. None for data without timestamps:
            features that need them are null then, as they were in training.

    Returns:
        B rows of `spec.schema("user")`.
    """
    lengths = [len(history.item_ids) for history in histories]
    end = np.cumsum(lengths, dtype=np.int64)
    flat = Histories(
        item=np.array([i for history in histories for i in history.item_ids], dtype=np.int64),
        rating=np.array([r for history in histories for r in history.ratings], dtype=np.float64),
        time=np.full(int(end[-1]) if len(end) else 0, now or 0, dtype=np.int64),
        has_timestamps=now is not None,
    )
    return user_features(Past(flat, end - np.array(lengths, dtype=np.int64), end), genres)
