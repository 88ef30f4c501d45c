"""Metrics from the genres of a recommended list: how diverse it is, and how far it is from the user's history."""

import numpy as np
from scipy import sparse

from recstack.features.arrays import Doubles, Floats, Ints
from recstack.features.batches import UserBatch

SMOOTHING = 0.01
"""Weight of the history's genres that is mixed into the list's: without it a missing genre would cost infinity."""


def diversity(lists: Ints, genres: Floats) -> Doubles:
    """Mean over the pairs of each list of 1 - cosine of their genre vectors: 0 all the same, 1 nothing in common.

    Intra-list distance of Zhang and Hurley, RecSys 2008 (the complement of the intra-list similarity of Ziegler et al.,
    WWW 2005). Items without genres are left out; a list with fewer than two items with genres has 0.

    Args:
        lists: [N, k] recommended items, distinct within a list; -1 pads.
        genres: [I, G] multi-hot.
    """
    lengths = np.linalg.norm(genres, axis=1)
    unit = sparse.csr_array(genres / np.maximum(lengths, 1)[:, None])
    chosen = _list_matrix(lists, len(genres))
    sums = chosen @ unit
    counts = chosen @ (lengths > 0).astype(np.float64)
    # The squared length of the sum counts each pair twice, and each vector with itself once.
    similar = np.asarray(sums.multiply(sums).sum(axis=1)).ravel() - counts
    pairs = counts * (counts - 1)
    return np.where(pairs > 0, 1 - similar / np.maximum(pairs, 1), 0.0).clip(0, 1)


def genre_shares(genres: Floats) -> sparse.csr_array:
    """[I, G] p(g|i): an item's genres in equal parts; an item without genres has a row of zeros."""
    shares = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
    return sparse.csr_array(shares.astype(np.float64))


def miscalibration(lists: Ints, users: UserBatch, shares: sparse.csr_array, overall: Doubles) -> Doubles:
    """How far the genres of each list are from those of the user's history, in nats; 0 means the same shares.

    Kullback-Leibler divergence: the sum of p log(p / q~), where q~ = (1 - a) q + a p, a = 0.01, p is the mean p(g|i) of
    the items that the user has seen, all with the same weight, and q that of the list (Steck, Calibrated
    recommendations, RecSys 2018, section 3). The maximum is -log a = 4.6. Users without known genres are compared with
    the genres of all training interactions.

    Args:
        lists: [B, k] recommended items; -1 pads.
        users: [B] the users with their history.
        shares: [I, G] `genre_shares`.
        overall: [G] `overall_genres`.
    """
    n_items = shares.shape[0]
    history = sparse.csr_array((np.ones(len(users.seen)), users.seen, users.seen_offsets), shape=(len(users), n_items))
    p = _normalise_rows(history @ shares)
    p[~p.any(axis=1)] = overall
    q = (1 - SMOOTHING) * _normalise_rows(_list_matrix(lists, n_items) @ shares) + SMOOTHING * p
    logs = np.log(np.divide(p, q, out=np.ones_like(p), where=p > 0))
    divergence: Doubles = (p * logs).sum(axis=1).clip(min=0)  # rounding can make a perfect list -1e-17
    return divergence


def overall_genres(item_counts: Ints, shares: sparse.csr_array) -> Doubles:
    """[G] genres of all training interactions, summing to 1."""
    return _normalise_rows(sparse.csr_array(item_counts[None].astype(np.float64)) @ shares).ravel()


def _list_matrix(lists: Ints, n_items: int) -> sparse.csr_array:
    """[N, I] 1 where the item is in the list."""
    filled = lists >= 0
    offsets = np.append(0, np.cumsum(filled.sum(axis=1)))
    return sparse.csr_array((np.ones(offsets[-1]), lists[filled], offsets), shape=(len(lists), n_items))


def _normalise_rows(sums: sparse.csr_array) -> Doubles:
    """Each row divided by its sum, dense; a row of zeros stays."""
    dense: Doubles = sums.toarray()
    shares: Doubles = dense / np.maximum(dense.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return shares
