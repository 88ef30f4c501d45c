"""From a history to a user vector of `bpr_mf`, so that users that training never saw have one."""

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats


def history_means(history: sparse.csr_array, vectors: Floats) -> Floats:
    """[B, d + 1] weighted mean of each history's item vectors, and a 1.

    Args:
        history: [B, I] weights of the items of each history.
        vectors: [I, d] item vectors.
    """
    weights = np.asarray(history.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    mean = (history @ vectors) / np.maximum(weights, np.finfo(np.float32).tiny)
    return np.append(mean, np.ones_like(weights), axis=1)


def ridge_regression(histories: Floats, users: Floats, penalty: float) -> Floats:
    """[d + 1, d] ridge regression of the [U, d] user vectors on their [U, d + 1] histories.

    The penalty is in mean squares of the histories' entries.
    """
    inputs = histories.astype(np.float64)
    left = inputs.T @ inputs
    left += penalty * np.trace(left) / len(left) * np.eye(len(left))
    found: Floats = np.linalg.solve(left, inputs.T @ users).astype(np.float32)
    return found
