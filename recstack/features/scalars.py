"""The formulas of the user features that are one number each."""

from collections.abc import Callable
from typing import Final

import numpy as np

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features.arrays import Doubles, Ints
from recstack.features.histories import Past

Formula = Callable[[Past], Doubles | Ints | None]
"""[P] values, of which those of rows that see nothing are ignored; None where the data has no timestamps to count."""


def rating_count(past: Past) -> Ints:
    """Number of interactions."""
    return past.count


def rating_mean(past: Past) -> Doubles:
    """Mean rating."""
    mean: Doubles = past.total(past.histories.rating) / past.count.clip(min=1)
    return mean


def rating_range(past: Past) -> Doubles:
    """Largest minus smallest rating."""
    rating = past.histories.rating
    if past.left_out is not None:  # data without timestamps: a user's ratings are in ascending order
        return past.last(rating) - past.first(rating)
    # One accumulated maximum over all users: each user's ratings are shifted above those of all earlier users.
    shift = past.user * (np.ptp(rating) + 1.0 if len(rating) else 1.0)
    high: Doubles = np.maximum.accumulate(rating + shift) - shift
    low: Doubles = -(np.maximum.accumulate(-rating + shift) - shift)
    return past.last(high) - past.last(low)


def last_interaction(past: Past) -> Ints | None:
    """Epoch second of the last interaction."""
    return past.last(past.histories.time) if past.histories.has_timestamps else None


def frequency(past: Past) -> Ints | None:
    """Number of distinct days (UTC) with an interaction."""
    if not past.histories.has_timestamps:
        return None
    day = past.histories.time // DAY
    is_new = np.ones(len(day), dtype=np.int64)
    is_new[1:] = day[1:] != day[:-1]
    days_before = np.concatenate([[0], np.cumsum(is_new)])
    # A user's first interaction opens a day even if the previous user's last one was on the same date.
    return np.asarray(days_before[past.end] - days_before[past.start] + (1 - past.first(is_new)))


def intensity(past: Past) -> Doubles | None:
    """Interactions per active day."""
    days = frequency(past)
    return None if days is None else past.count / days.clip(min=1)


FORMULAS: Final[dict[str, Formula]] = {
    c.RATING_COUNT: rating_count,
    c.RATING_MEAN: rating_mean,
    c.RATING_RANGE: rating_range,
    c.LAST_INTERACTION: last_interaction,
    c.FREQUENCY: frequency,
    c.INTENSITY: intensity,
}
"""The formula of each name in `spec.USER_SCALARS`."""
