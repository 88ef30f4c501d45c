"""Popularity decides where a model's scores don't: without a history, and between equal scores."""

import numpy as np

from recstack.features.arrays import Floats, Mask

TIE_BREAK = np.float32(1e-6)
"""Weight of popularity: below any score that means something (a pair seen once in 100,000 interactions has 1e-5)."""


def with_tie_break(scores: Floats, popularity: Floats, allowed: Mask) -> Floats:
    """[B, I] scores plus a trace of popularity, -inf where not allowed; float32.

    Args:
        scores: [B, I] of a model.
        popularity: [I] from 0 to 1.
        allowed: [B, I] which items may be recommended to each user.
    """
    found = np.where(allowed, scores + TIE_BREAK * popularity, np.float32(-np.inf))
    return found.astype(np.float32, copy=False)
