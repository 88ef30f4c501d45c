"""The best items of each row of scores, without sorting the catalogue."""

import numpy as np

from recstack.features.arrays import Floats, Ints

GROUP = 128
"""Items of a group, at most."""


def top_k(scores: Floats, k: int) -> Ints:
    """[B, k] positions of the best of [B, I] items, best first; ties by position, that is by item id.

    One pass takes the maximum of each of many groups of items. The k-th largest maximum is a bound: at least k items
    reach it, and few more than k. Only these are sorted. `benchmarks/retrieval.py` compares it with NumPy's
    `argpartition` and with faiss.

    Raises:
        ValueError: NaN among the scores leaves fewer than k items that reach the bound.
    """
    rows, n_items = scores.shape
    k = min(k, n_items)
    order = np.empty((rows, k), dtype=np.int64)
    if not k:
        return order
    size = max(1, min(GROUP, n_items // (8 * k)))
    groups = n_items // size
    best = scores[:, : size * groups].reshape(rows, size, groups).max(axis=1)
    bounds = np.partition(best, groups - k, axis=1)[:, groups - k]
    for row, (values, bound) in enumerate(zip(scores, bounds, strict=True)):
        reached = np.flatnonzero(values >= bound)
        if len(reached) < k:
            raise ValueError(f"row {row} holds scores that are not numbers (NaN)")
        if len(reached) > 8 * k:  # most of a row may be tied at the bound: no sort of those
            tied = values[reached] == bound
            reached = np.concatenate([reached[~tied], reached[tied][:k]])
        order[row] = reached[np.argsort(-values[reached], kind="stable")[:k]]
    return order
