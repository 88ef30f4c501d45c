"""How an item's genres and year fit a user: also for items that nobody has chosen."""

import numpy as np

from recstack import columns as c
from recstack.features.arrays import Floats, Ints
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.spec import ITEM_SCALARS
from recstack.models.learning.history import decay_weights

RECENCY_DECAY = 0.8


def content(users: UserBatch, items: ItemBatch, genres: Floats, candidates: Ints) -> Floats:
    """[B, K, 3] of B users and K candidates of each.

    1. Cosine of the user's genre profile and the item's genres.
    2. Genres shared with the newest items of the history; 0 without any.
    3. Distance from their mean year, in deviations; 0 without any.

    Args:
        users: B users.
        items: the catalogue.
        genres: [I, G] `unit_genres` of the catalogue.
        candidates: [B, K] positions.
    """
    history = decay_weights(users, len(items), RECENCY_DECAY)
    total = np.asarray(history.sum(axis=1)).reshape(-1, 1)
    mean = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    tastes = np.stack([unit_profiles(users), (history @ genres) * mean], axis=2)
    year = items.scalars[:, ITEM_SCALARS.index(c.YEAR)]
    distance = np.abs(year[candidates] - (history @ year)[:, None] * mean) * (total > 0)
    found = np.concatenate([genres[candidates] @ tastes, distance[:, :, None]], axis=2)
    return found.astype(np.float32, copy=False)


def unit_profiles(users: UserBatch) -> Floats:
    """[B, G] genre profiles of length 1; zeros without one."""
    size = np.linalg.norm(users.genres, axis=1, keepdims=True)
    profile: Floats = np.divide(users.genres, size, out=np.zeros_like(users.genres), where=size > 0)
    return profile


def unit_genres(items: ItemBatch) -> Floats:
    """[I, G] rows of length 1; zeros without genres."""
    carried: Floats = np.sqrt(items.genres.sum(axis=1, keepdims=True).clip(min=1))
    return items.genres / carried
