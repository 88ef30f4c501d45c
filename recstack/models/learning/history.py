"""A user's history as one sparse row of weights: what linear models multiply with what they learned."""

import numpy as np
from scipy import sparse

from recstack.features.encode import UserBatch
from recstack.features.spec import RECENT_LENGTH


def faded(users: UserBatch, n_items: int, fading: float) -> sparse.csr_array:
    """[B, n_items] weights r ^ -fading of each user's items, where r = 1 is the newest.

    The order is known of the last `RECENT_LENGTH` items alone; all older ones weigh what the next rank would. With
    fading 0 every item of the history weighs 1.
    """
    ones = np.ones(len(users.seen), dtype=np.float32)
    history = sparse.csr_array((ones, users.seen, users.seen_offsets), shape=(len(users), n_items))
    if not fading:
        return history
    weights = np.arange(1, RECENT_LENGTH + 2, dtype=np.float32) ** np.float32(-fading)
    row, place = np.nonzero(users.recent >= 0)
    extra = (weights[place] - weights[-1], (row, users.recent[row, place]))
    return weights[-1] * history + sparse.csr_array(extra, shape=history.shape)
