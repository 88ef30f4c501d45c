"""Training rows grouped into windows of histories, so that rows whose histories overlap share one pass."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.row_inputs import RowInputs
from recstack.models.training_data import TrainingData

MAX_UNSHARED_ROWS = 16
"""Rows sampled per user where histories are not prefixes of one another."""


@dataclass(frozen=True)
class Windows:
    """W histories of at most L items. The history of each row is a prefix of one window; later items are masked.

    So a row sees what serving would have seen at its timestamp: `UserBatch.recent`, of which it keeps at least half.
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
    """[R] length of the prefix that is each row's history."""

    def __len__(self) -> int:
        return len(self.items)


def known_first(recent: Ints, ratings: Floats, trained: Mask, length: int) -> tuple[Ints, Floats]:
    """The newest `length` of the [B, 50] recent items that training saw, without gaps; -1 pads at the end."""
    known = (recent >= 0) & trained[recent]
    order = np.argsort(~known, axis=1, kind="stable")[:, :length]
    kept = np.take_along_axis(known, order, axis=1)
    items = np.where(kept, np.take_along_axis(recent, order, axis=1), -1)
    return items, np.where(kept, np.take_along_axis(ratings, order, axis=1), np.float32(0))


def windows(data: TrainingData, rows: Ints, trained: Mask, length: int, random: np.random.Generator) -> Windows:
    """Cut the histories of `rows` into windows of `length` items that overlap by half.

    In data with time a row's history is a prefix of its user's interactions, and one window serves all rows whose
    histories end in it. Where it is not, as in data without time, a row has a window of its own.
    """
    inputs = RowInputs.of(data.users, rows, RECENT_LENGTH)
    recent, ratings = known_first(inputs.recent, inputs.ratings, trained, length)
    seen = data.users.known[rows]
    shared = _is_prefix(data, rows, recent, seen)
    step = max(length // 2, 1)
    number = np.maximum(-(-(seen - length) // step), 0)
    keep = shared | _drawn(data.user[rows], ~shared, random)
    rows, shared, number, recent, ratings = rows[keep], shared[keep], number[keep], recent[keep], ratings[keep]
    lengths = np.where(shared, seen[keep] - number * step, (recent >= 0).sum(axis=1))

    # The newest row of each window comes last; its history is the window.
    own_window = np.where(shared, -1, rows)
    order = np.lexsort((lengths, own_window, number, data.user[rows]))
    key = np.stack([data.user[rows], number, own_window])[:, order]
    last = np.append((key[:, 1:] != key[:, :-1]).any(axis=0), True) if len(rows) else np.zeros(0, dtype=bool)
    newest = order[last]
    rank = lengths[newest][:, None] - 1 - np.arange(length)
    within, rank = rank >= 0, rank.clip(min=0)
    return Windows(
        items=np.where(within, np.take_along_axis(recent[newest], rank, axis=1), -1),
        ratings=np.where(within, np.take_along_axis(ratings[newest], rank, axis=1), np.float32(0)),
        offsets=np.append(0, np.flatnonzero(last) + 1),
        rows=rows[order],
        lengths=lengths[order],
    )


def _is_prefix(data: TrainingData, rows: Ints, recent: Ints, seen: Ints) -> Mask:
    """Whether each row's history is the first `seen` interactions of its user."""
    first = np.searchsorted(data.user, data.user[rows])
    prefix = first + seen <= np.searchsorted(data.user, data.user[rows], side="right")
    for rank, items in enumerate(recent.T):
        at = (first + seen - 1 - rank).clip(0, len(data.item) - 1)
        prefix &= items == np.where(rank < seen, data.item[at], -1)
    return prefix


def _drawn(user: Ints, candidates: Mask, random: np.random.Generator) -> Mask:
    """At most `MAX_UNSHARED_ROWS` of each user's candidates."""
    order = np.lexsort((random.random(len(user)), ~candidates, user))
    nth = np.arange(len(user)) - np.searchsorted(user[order], user[order])
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order[nth < MAX_UNSHARED_ROWS]] = True
    return chosen & candidates
