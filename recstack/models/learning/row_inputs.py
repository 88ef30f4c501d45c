"""The inputs of networks that read the users of training rows, as arrays on a device."""

from typing import NamedTuple, Self

import numpy as np

from recstack.features.arrays import Floats, Ints
from recstack.features.batches import Users

ROWS_AT_ONCE = 1 << 14
"""Whole feature rows in memory, of which only what a network reads is kept."""


class RowInputs(NamedTuple):
    """What networks read of the users of R rows."""

    genres: Floats
    """[R, G]"""
    scalars: Floats
    """[R, S]"""
    recent: Ints
    """[R, L] newest items of the history, newest first; -1 pads."""
    ratings: Floats
    """[R, L] theirs."""

    @classmethod
    def of(cls, users: Users, rows: Ints, recent: int) -> Self:
        """Read rows, some at a time.

        Args:
            users: of all training rows.
            rows: [R] which rows; ascending is fastest.
            recent: L.
        """
        parts = []
        for start in range(0, max(len(rows), 1), ROWS_AT_ONCE):
            batch = users.take(rows[start : start + ROWS_AT_ONCE])
            parts.append((batch.genres, batch.scalars, batch.recent[:, :recent], batch.recent_ratings[:, :recent]))
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))
