"""How an item's genres and year fit a user: also for items that nobody has chosen."""

import numpy as np

from recstack import columns as c
from recstack.features.arrays import Floats
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.spec import ITEM_SCALARS
from recstack.models.learning.history import decay_weights

RECENCY_DECAY = 0.8


def genre_affinity(users: UserBatch, items: ItemBatch) -> Floats:
    """[B, I] cosine of the user's genre profile and the item's genres."""
    size = np.linalg.norm(users.genres, axis=1, keepdims=True)
    profile = np.divide(users.genres, size, out=np.zeros_like(users.genres), where=size > 0)
    affinity: Floats = profile @ _genres(items).T
    return affinity


def likeness_to_recent(users: UserBatch, items: ItemBatch) -> tuple[Floats, Floats]:
    """[B, I] genres shared with the newest items, and distance from their mean year in deviations; 0 where unknown."""
    history = decay_weights(users, len(items), RECENCY_DECAY)
    total = np.asarray(history.sum(axis=1)).reshape(-1, 1)
    mean = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    genres = _genres(items)
    shared = ((history @ genres) * mean) @ genres.T
    year = items.scalars[:, ITEM_SCALARS.index(c.YEAR)]
    distance = np.abs(year - (history @ year)[:, None] * mean) * (total > 0)
    return shared.astype(np.float32), distance.astype(np.float32)


def _genres(items: ItemBatch) -> Floats:
    """[I, G] rows of length 1."""
    carried: Floats = np.sqrt(items.genres.sum(axis=1, keepdims=True).clip(min=1))
    return items.genres / carried
