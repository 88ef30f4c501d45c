"""From when the ages of a served row count, so that recency means at serving what it meant in training.

A training row and an evaluated ranking count ages from their own interaction, which is never long after the end of
what is known. A request may come years after its log ended, as in a demo on ratings of 1998, or days after the last
load of the store. The time since then says nothing about the user, only that nobody has looked. So ages count from the
request, but at most a day past what is known: the log that the model has learned from, or the user's row if that is
newer. A day is how old rows get in a store that is loaded once a day.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from recstack.data.timestamps import DAY
from recstack.features.arrays import Ints


def count_ages_from(request: int, log_end: int | None, known_from: Sequence[datetime | None]) -> Ints:
    """The "now" of each of B rows.

    Args:
        request: epoch second of the request.
        log_end: epoch second of the last interaction that the model has learned from; None where that is not known:
            ages then count from the request.
        known_from: [B] from when on each row was known; None for a user without a row.

    Returns:
        [B] epoch seconds, none after the request.
    """
    if log_end is None:
        return np.full(len(known_from), request, dtype=np.int64)
    known = np.array([log_end if time is None else int(time.timestamp()) for time in known_from], dtype=np.int64)
    ages_from: Ints = np.minimum(request, np.maximum(known, log_end) + DAY)
    return ages_from
