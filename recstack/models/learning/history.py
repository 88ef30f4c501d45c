"""Users' histories as sparse rows of weights: what linear models multiply with what they learned.

A history's order is known for the last `RECENT_LENGTH` items only (`UserBatch.recent`); older ones are in
`UserBatch.seen`.
"""

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints
from recstack.features.batches import UserBatch
from recstack.features.spec import RECENT_LENGTH


def interaction_matrix(user: Ints, item: Ints, n_items: int) -> sparse.csr_array:
    """[U, n_items] how often each user chose each item, float32.

    Args:
        user: [N] dense user numbers.
        item: [N] positions in the catalogue.
        n_items: size of the catalogue.
    """
    shape = (int(user.max(initial=-1)) + 1, n_items)
    return sparse.csr_array((np.ones(len(item), dtype=np.float32), (user, item)), shape=shape)


def equal_weights(users: UserBatch, n_items: int, weight: float = 1.0) -> sparse.csr_array:
    """[B, n_items] the same weight for every item of each user's history."""
    weights = np.full(len(users.seen), weight, dtype=np.float32)
    return sparse.csr_array((weights, users.seen, users.seen_offsets), shape=(len(users), n_items))


def decay_weights(users: UserBatch, n_items: int, recency_decay: float, base: float = 0.0) -> sparse.csr_array:
    """[B, n_items] weights recency_decay ^ r + base, where r = 0 is the newest item; `base` beyond the recent items.

    With `recency_decay` 0 only `base` counts.
    """
    ranks = np.arange(RECENT_LENGTH, dtype=np.float32)
    weights = np.float32(recency_decay) ** ranks if recency_decay else np.zeros(RECENT_LENGTH, dtype=np.float32)
    recent = _by_rank(users, n_items, weights)
    return recent + equal_weights(users, n_items, base) if base else recent


def power_weights(users: UserBatch, n_items: int, recency_power: float) -> sparse.csr_array:
    """[B, n_items] weights r ^ -recency_power, where r = 1 is the newest item.

    All items beyond the recent ones weigh what the next rank would. With `recency_power` 0 every item weighs 1.
    """
    if not recency_power:
        return equal_weights(users, n_items)
    weights = np.arange(1, RECENT_LENGTH + 2, dtype=np.float32) ** np.float32(-recency_power)
    return equal_weights(users, n_items, weights[-1]) + _by_rank(users, n_items, weights[:-1] - weights[-1])


def _by_rank(users: UserBatch, n_items: int, weights: Floats) -> sparse.csr_array:
    """[B, n_items] `weights[r]` for the r-th newest item, from 0."""
    row, rank = np.nonzero(users.recent >= 0)
    return sparse.csr_array((weights[rank], (row, users.recent[row, rank])), shape=(len(users), n_items))
