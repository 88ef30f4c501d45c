"""From when the ages of a served row count, so that recency means at serving what it meant in training.

A training row and an evaluated ranking count ages from their own interaction, which is never long after the end of
what is known. A request may come years after its log ended, as in a demo on ratings of 1998, or days after the last
load of the store. The time since then says nothing about the user, only that nobody has looked. So ages count from the
request, but at most a day past what is known: the end of the log that was loaded last, or the user's last interaction
if that is newer. A day is how old rows get in a store that is loaded once a day.
"""

import numpy as np

from recstack.data.timestamps import DAY
from recstack.features.arrays import Doubles, Ints


def count_ages_from(request: int, log_end: int | None, last_interaction: Doubles) -> Ints:
    """The "now" of each of B rows.

    Args:
        request: epoch second of the request.
        log_end: epoch second of the last interaction that is known; None where that is not known: ages then
            count from the request.
        last_interaction: [B] epoch second of each user's last interaction; NaN for a user without one.

    Returns:
        [B] epoch seconds, none after the request.
    """
    if log_end is None:
        return np.full(len(last_interaction), request, dtype=np.int64)
    ages_from: Ints = np.minimum(request, np.fmax(last_interaction, log_end) + DAY).astype(np.int64)
    return ages_from
