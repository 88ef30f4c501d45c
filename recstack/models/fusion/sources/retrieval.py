"""The candidates of each user: related items of the history, and what is popular, among what is allowed."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.fusion.sources.content import unit_profiles
from recstack.models.fusion.sources.related import HistoryItems, Slots

POPULAR = 300
"""Popular items that are candidates of everybody."""
OF_A_GENRE = 30
"""Popular items of each genre that are candidates of users with a genre prior."""
LEAST_PRIOR = 0.02
"""A smaller weight of the genre prior counts as none."""
RECENCY_DECAY = 0.8
NEWEST, ALL = 6.0, 2.0
"""What the best item counts by its relations to the newest items, and to the whole history."""


class Candidates(NamedTuple):
    """The candidates of B users, at most K each."""

    positions: Ints
    """[B, K] ascending."""
    alive: Mask
    """[B, K] False where there are fewer."""
    slots: Slots
    by_all: Floats
    """[B, K, W] what the whole history says about each, by the relations of `Retrieval.by_all`."""


@dataclass(frozen=True)
class Retrieval:
    """What chooses candidates: one sparse product a user, whatever the size of the catalogue."""

    by_newest: sparse.csr_array
    """[I, I] the relation that the newest items of a history are looked up by."""
    by_all: tuple[sparse.csr_array, ...]
    """[I, I] relations that all items of a history are looked up by; the first one chooses candidates too."""
    popularity: Floats
    """[I] from 0 to 1; also the order of items that are no candidates."""
    genres: Floats
    """[I, G] rows of length 1."""
    chart: sparse.csr_array
    """[1, I] popularity of the most popular items."""
    genre_charts: sparse.csr_array
    """[G, I] share of the genre in the most popular items that carry it."""
    order: Ints
    """[I] positions, most popular first, ties by position."""

    @classmethod
    def of(
        cls, by_newest: sparse.csr_array, by_all: tuple[sparse.csr_array, ...], popularity: Floats, genres: Floats
    ) -> "Retrieval":
        """Make the charts."""
        order = np.argsort(-popularity, kind="stable")
        top = order[:POPULAR]
        shape = (genres.shape[1], len(popularity))
        by_genre = sparse.csc_array(genres[order]).T.tocsr()  # the carriers of each genre, most popular first
        by_genre.sort_indices()
        nth = np.arange(by_genre.nnz) - np.repeat(by_genre.indptr[:-1], np.diff(by_genre.indptr))
        kept = nth < OF_A_GENRE
        genre = np.repeat(np.arange(shape[0]), np.diff(by_genre.indptr))[kept]
        charts = sparse.csr_array((by_genre.data[kept], (genre, order[by_genre.indices[kept]])), shape=shape)
        chart = sparse.csr_array((popularity[top], (np.zeros(len(top), dtype=np.int64), top)), shape=(1, shape[1]))
        return cls(by_newest, by_all, popularity, genres, chart, charts, order)

    def candidates(
        self, users: UserBatch, history: HistoryItems, allowed: Mask, count: int, prior: Floats | None
    ) -> Candidates:
        """The best allowed items of the retrieval, at most `count` for each user.

        Args:
            users: B users.
            history: theirs.
            allowed: [B, I].
            count: K.
            prior: [B] weight of the genre prior; None for none.
        """
        rows, n_items = allowed.shape
        newest = np.where(history.rank < RECENT_LENGTH, np.float32(RECENCY_DECAY) ** history.rank, np.float32(0))
        by_newest = self._related(history, newest, self.by_newest, allowed)
        by_all = [self._related(history, history.share, relation, allowed) for relation in self.by_all]
        pool = sparse.vstack([self.chart] * rows, format="csr") + _unit(by_newest, NEWEST) + _unit(by_all[0], ALL)
        if prior is not None and (prior > LEAST_PRIOR).any():
            weights = np.where(prior > LEAST_PRIOR, prior, np.float32(0))[:, None] * unit_profiles(users)
            pool = pool + sparse.csr_array(weights.clip(min=0)) @ self.genre_charts
        row, item = _row_numbers(pool), pool.indices
        kept = np.flatnonzero(allowed[row, item])
        row, item, value = row[kept], item[kept], pool.data[kept]
        offsets = np.searchsorted(row, np.arange(rows + 1))
        width = min(count, n_items)
        positions, alive = np.zeros((rows, width), dtype=np.int64), np.zeros((rows, width), dtype=bool)
        for number, (start, stop) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
            found = item[start:stop]
            if len(found) > width:
                found = found[np.argpartition(-value[start:stop], width - 1)[:width]]
            # Ascending, so that the result does not depend on the order that the partition leaves.
            positions[number, : len(found)] = np.sort(found)
            alive[number, : len(found)] = True
        slots = Slots.of(positions, alive, n_items)
        return Candidates(positions, alive, slots, np.stack([slots.values(each) for each in by_all], axis=2))

    def _related(
        self, history: HistoryItems, weight: Floats, relation: sparse.csr_array, allowed: Mask
    ) -> sparse.csr_array:
        """[B, I] sums over the history of weight * relation; 0 for items that are not allowed."""
        looked_up = sparse.csr_array((weight, (history.row, history.item)), shape=allowed.shape)
        found = looked_up @ relation
        found.data *= allowed[_row_numbers(found), found.indices]
        return found


def _unit(found: sparse.csr_array, most: float) -> sparse.csr_array:
    """The same, with `most` as the largest value of each row."""
    best = found.max(axis=1).toarray().ravel()
    scale = np.divide(most, best, out=np.zeros_like(best), where=best > 0)
    data = found.data * np.repeat(scale, np.diff(found.indptr))
    return sparse.csr_array((data, found.indices, found.indptr), shape=found.shape)


def _row_numbers(matrix: sparse.csr_array) -> Ints:
    """The row of each stored value."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
