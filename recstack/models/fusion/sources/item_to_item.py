"""Sources that relate items to items: a user's history, the newest first, times a sparse matrix."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats
from recstack.features.encode import UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.fusion.sources.base import CandidateSource


@dataclass(frozen=True)
class ItemToItem(CandidateSource):
    """The score of item i is the sum over the history of weight(place) * learned[history item, i].

    The r-th newest item (r = 0, 1, ...) weighs `fading` ^ r, and every item of the history `base` on top.
    """

    fading: float = 0.8
    base: float = 0.0
    neighbours: int = 300
    """Related items kept of each item."""

    def recipe(self) -> CandidateSource:
        """Weights of the history belong to `score` alone."""
        return replace(self, learned=None, fading=0.0, base=0.0)

    def score(self, users: UserBatch) -> Floats:
        """[B, I] summed relations to the history; zeros without one."""
        history = weighted_history(users, self.matrix.shape[0], self.fading, self.base)
        scores: Floats = (history @ self.matrix).toarray()
        return scores


def weighted_history(users: UserBatch, n_items: int, fading: float, base: float) -> sparse.csr_array:
    """[B, n_items] weights of each user's items, see `ItemToItem`; with fading 0 `base` alone counts."""
    shape = (len(users), n_items)
    row, place = np.nonzero(users.recent >= 0)
    weights = np.float32(fading) ** np.arange(RECENT_LENGTH, dtype=np.float32) if fading else np.zeros(RECENT_LENGTH)
    recent = sparse.csr_array((weights[place].astype(np.float32), (row, users.recent[row, place])), shape=shape)
    if not base:
        return recent
    everything = np.full(len(users.seen), base, dtype=np.float32)
    return recent + sparse.csr_array((everything, users.seen, users.seen_offsets), shape=shape)


def strongest(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """Keep the `count` largest values by magnitude of each row, and those that tie with the last of them."""
    matrix = matrix.tocsr()
    kept = np.ones(matrix.nnz, dtype=bool)
    sizes = np.diff(matrix.indptr)
    for row in np.flatnonzero(sizes > count):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        size = np.abs(matrix.data[part])
        kept[part] = size >= -np.partition(-size, count - 1)[count - 1]
    rows = np.repeat(np.arange(matrix.shape[0]), sizes)[kept]
    return sparse.csr_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)
