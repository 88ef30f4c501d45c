"""User features for somebody whom no feature table knows, computed at the moment of the request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recstack.features.profile import Histories, ItemGenres, user_states


@dataclass(frozen=True)
class History:
    """What a stranger tells: items with ratings, in the order in which they were named (the last is the newest)."""

    item_ids: Sequence[int]
    ratings: Sequence[float]


def user_rows(histories: Sequence[History], genres: ItemGenres, now: int | None) -> pa.Table:
    """Features of B strangers by the same formulas as the batch job.

    Args:
        histories: one per stranger; may be empty (a row of nulls).
        genres: the catalogue's genres.
        now: epoch second of the request; all named items count as rated at this moment. None for data without
            timestamps: recency, frequency and intensity are null then, as they were in training.

    Returns:
        B rows of `spec.schema("user")`.
    """
    lengths = [len(history.item_ids) for history in histories]
    end = np.cumsum(lengths, dtype=np.int64)
    block = Histories(
        item=np.array([i for history in histories for i in history.item_ids], dtype=np.int64),
        rating=np.array([r for history in histories for r in history.ratings], dtype=np.float64),
        time=np.full(int(end[-1]) if len(end) else 0, now or 0, dtype=np.int64),
        timed=now is not None,
    )
    return user_states(block, end - np.array(lengths, dtype=np.int64), end, genres)
