"""Training rows grouped into windows of their users' histories: rows whose histories overlap are computed once."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.models.base import TrainingData

ALONE = 16
"""Rows of one user, drawn by chance, that are learned from where histories are no beginnings of each other."""


@dataclass(frozen=True)
class Windows:
    """W histories of at most L items. Each row's own history is the beginning of a window, and no more is read for it.

    So a row sees what serving would have seen at its moment: `UserBatch.recent`, of which it keeps at least half.
    """

    items: Ints
    """[W, L] oldest first; -1 pads at the end."""
    ratings: Floats
    """[W, L] their ratings as in `UserBatch.recent_ratings`."""
    offsets: Ints
    """[W + 1] into `rows`."""
    rows: Ints
    """[R] training rows, window after window."""
    lengths: Ints
    """[R] with how many of the window's items each row's history ends."""

    def __len__(self) -> int:
        return len(self.items)


def known_first(recent: Ints, ratings: Floats, trained: Mask, length: int) -> tuple[Ints, Floats]:
    """The newest `length` of the [B, 50] recent items that training knows, without gaps; -1 pads at the end."""
    known = (recent >= 0) & trained[recent]
    order = np.argsort(~known, axis=1, kind="stable")[:, :length]
    kept = np.take_along_axis(known, order, axis=1)
    items = np.where(kept, np.take_along_axis(recent, order, axis=1), -1)
    return items, np.where(kept, np.take_along_axis(ratings, order, axis=1), np.float32(0))


def windows(data: TrainingData, rows: Ints, trained: Mask, length: int, random: np.random.Generator) -> Windows:
    """Cut the histories of `rows` into windows of `length` items that overlap by half.

    In data with time a row's history is a beginning of its user's interactions: one pass over a window serves all rows
    that end in it. Where it is not, as in data without time, a row has a window of its own.
    """
    recent, ratings = known_first(data.users.recent[rows], data.users.recent_ratings[rows], trained, length)
    seen = np.diff(data.users.seen_offsets)[rows]
    shared = _begins(data, rows, recent, seen)
    step = max(length // 2, 1)
    number = np.maximum(-(-(seen - length) // step), 0)
    keep = shared | _drawn(data.user[rows], ~shared, random)
    rows, shared, number, recent, ratings = rows[keep], shared[keep], number[keep], recent[keep], ratings[keep]
    lengths = np.where(shared, seen[keep] - number * step, (recent >= 0).sum(axis=1))

    # The newest row of each window comes last and lends it its history.
    alone = np.where(shared, -1, rows)
    order = np.lexsort((lengths, alone, number, data.user[rows]))
    key = np.stack([data.user[rows], number, alone])[:, order]
    last = np.append((key[:, 1:] != key[:, :-1]).any(axis=0), True) if len(rows) else np.zeros(0, dtype=bool)
    newest = order[last]
    place = lengths[newest][:, None] - 1 - np.arange(length)
    within, place = place >= 0, place.clip(min=0)
    return Windows(
        items=np.where(within, np.take_along_axis(recent[newest], place, axis=1), -1),
        ratings=np.where(within, np.take_along_axis(ratings[newest], place, axis=1), np.float32(0)),
        offsets=np.append(0, np.flatnonzero(last) + 1),
        rows=rows[order],
        lengths=lengths[order],
    )


def _begins(data: TrainingData, rows: Ints, recent: Ints, seen: Ints) -> Mask:
    """Whether each row's history is the first `seen` interactions of its user."""
    first = np.searchsorted(data.user, data.user[rows])
    begins = first + seen <= np.searchsorted(data.user, data.user[rows], side="right")
    for place, items in enumerate(recent.T):
        at = (first + seen - 1 - place).clip(0, len(data.item) - 1)
        begins &= items == np.where(place < seen, data.item[at], -1)
    return begins


def _drawn(user: Ints, candidates: Mask, random: np.random.Generator) -> Mask:
    """At most `ALONE` of each user's candidates."""
    order = np.lexsort((random.random(len(user)), ~candidates, user))
    nth = np.arange(len(user)) - np.searchsorted(user[order], user[order])
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order[nth < ALONE]] = True
    return chosen & candidates
