"""What the genres of a recommended list say: how varied it is, and whether it is in proportion to the user's taste."""

import numpy as np
from scipy import sparse

from recstack.features.arrays import Doubles, Floats, Ints
from recstack.features.encode import UserBatch

MIXED_IN = 0.01
"""Share of the history's genres that is mixed into the list's, so that a missing genre has a finite cost."""


def diversity(lists: Ints, genres: Floats) -> Doubles:
    """Mean over the pairs of each list of 1 - cosine of their genre vectors: 0 all the same, 1 nothing in common.

    Intra-list distance of Zhang and Hurley, RecSys 2008 (the complement of the intra-list similarity of Ziegler et al.,
    WWW 2005). Items without genres are left out; a list with fewer than two others has 0.

    Args:
        lists: [N, k] recommended items, distinct within a list; -1 pads.
        genres: [I, G] multi-hot.
    """
    lengths = np.linalg.norm(genres, axis=1)
    unit = sparse.csr_array(genres / np.maximum(lengths, 1)[:, None])
    chosen = _chosen(lists, len(genres))
    sums = chosen @ unit
    counts = chosen @ (lengths > 0).astype(np.float64)
    # |sum of the vectors|^2 holds each pair twice, and each vector with itself.
    similar = np.asarray(sums.multiply(sums).sum(axis=1)).ravel() - counts
    pairs = counts * (counts - 1)
    return np.where(pairs > 0, 1 - similar / np.maximum(pairs, 1), 0.0).clip(0, 1)


def genre_shares(genres: Floats) -> sparse.csr_array:
    """[I, G] p(g|i): an item's genres in equal parts; an item without genres has a row of zeros."""
    shares = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
    return sparse.csr_array(shares.astype(np.float64))


def miscalibration(lists: Ints, users: UserBatch, shares: sparse.csr_array, usual: Doubles) -> Doubles:
    """How far the genres of each list are from those of the user's history, in nats; 0 is in proportion.

    Kullback-Leibler divergence sum of p log(p / q~), q~ = (1 - a) q + a p, a = 0.01, where p are the mean p(g|i) of the
    items that the user has seen, each with the same weight, and q those of the list (Steck, Calibrated recommendations,
    RecSys 2018, section 3). The worst is -log a = 4.6. Of whom nothing is known, or no genre, is held
    against what all users chose.

    Args:
        lists: [B, k] recommended items; -1 pads.
        users: [B] the users with their history.
        shares: [I, G] `genre_shares`.
        usual: [G] genres of all training interactions, summing to 1.
    """
    n_items = shares.shape[0]
    history = sparse.csr_array((np.ones(len(users.seen)), users.seen, users.seen_offsets), shape=(len(users), n_items))
    taste = _distribution(history @ shares)
    taste[~taste.any(axis=1)] = usual
    offered = (1 - MIXED_IN) * _distribution(_chosen(lists, n_items) @ shares) + MIXED_IN * taste
    logs = np.log(np.divide(taste, offered, out=np.ones_like(taste), where=taste > 0))
    divergence: Doubles = (taste * logs).sum(axis=1).clip(min=0)  # rounding can make a perfect list -1e-17
    return divergence


def usual_genres(item_counts: Ints, shares: sparse.csr_array) -> Doubles:
    """[G] genres of all training interactions, summing to 1."""
    return _distribution(sparse.csr_array(item_counts[None].astype(np.float64)) @ shares).ravel()


def _chosen(lists: Ints, n_items: int) -> sparse.csr_array:
    """[N, I] 1 where the item is in the list."""
    filled = lists >= 0
    offsets = np.append(0, np.cumsum(filled.sum(axis=1)))
    return sparse.csr_array((np.ones(offsets[-1]), lists[filled], offsets), shape=(len(lists), n_items))


def _distribution(sums: sparse.csr_array) -> Doubles:
    """Rows as dense shares of their sum; a row of zeros stays."""
    dense: Doubles = sums.toarray()
    shares: Doubles = dense / np.maximum(dense.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return shares
