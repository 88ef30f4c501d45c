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
    if not len(rating):
        return np.zeros(len(past.start))
    if past.left_out is not None:  # data without timestamps: a user's ratings are in ascending order
        own, first, last = past.left_out, past.start, past.end - 1
        low = rating[np.where(own == first, first + 1, first).clip(max=len(rating) - 1)]
        high = rating[np.where(own == last, last - 1, last).clip(min=0)]
        return np.asarray(high - low)
    # One accumulated maximum over all users: each user's ratings are shifted above those of all earlier users.
    shift = past.user * (rating.max() - rating.min() + 1.0)
    last = (past.end - 1).clip(min=0)
    high = (np.maximum.accumulate(rating + shift) - shift)[last]
    low = -(np.maximum.accumulate(-rating + shift) - shift)[last]
    return np.asarray(high - low)


def last_interaction(past: Past) -> Ints | None:
    """Epoch second of the last interaction."""
    time = past.histories.time
    if not past.histories.has_timestamps:
        return None
    return time[(past.end - 1).clip(min=0)] if len(time) else np.zeros(len(past.start), np.int64)


def frequency(past: Past) -> Ints | None:
    """Number of distinct days (UTC) with an interaction."""
    if not past.histories.has_timestamps:
        return None
    day = past.histories.time // DAY
    if not len(day):
        return np.zeros(len(past.start), np.int64)
    is_new = np.ones(len(day), dtype=np.int64)
    is_new[1:] = day[1:] != day[:-1]
    days_before = np.concatenate([[0], np.cumsum(is_new)])
    # A user's first interaction opens a day even if the previous user's last one was on the same date.
    first_is_new = is_new[past.start.clip(max=len(day) - 1)]
    return np.asarray(days_before[past.end] - days_before[past.start] + (1 - first_is_new))


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
