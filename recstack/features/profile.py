"""The formulas of all user features, in NumPy; the Spark job and the request path both call this and nothing else."""

from array import array
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyroaring import BitMap

from recstack import columns as c
from recstack.features.arrays import Doubles, Ints
from recstack.features.spec import ALPHA, RECENT_LENGTH, schema

DAY = 86_400

HALF = np.dtype("<f2")
"""Of `seen_ratings`: three digits in two bytes; ratings in halves or tenths of a star come out as they went in."""


@dataclass(frozen=True)
class ItemGenres:
    """The genres of every item as one flat array: item `item_ids[i]` has `indices[offsets[i]:offsets[i + 1]]`."""

    item_ids: Ints
    offsets: Ints
    indices: Ints
    n_genres: int

    def lookup(self, item_ids: Ints) -> tuple[Ints, Ints]:
        """How many genres each given item has, and these one after the other; items outside the catalogue have none."""
        if not len(self.item_ids):
            return np.zeros(len(item_ids), np.int64), np.zeros(0, np.int64)
        if self._place is None:
            place = np.searchsorted(self.item_ids, item_ids).clip(max=len(self.item_ids) - 1)
        else:
            place = self._place[item_ids.clip(0, len(self._place) - 1)]
        known = self.item_ids[place] == item_ids
        lengths = np.where(known, self.offsets[place + 1] - self.offsets[place], 0)
        end = np.cumsum(lengths)
        flat = np.repeat(self.offsets[place] - end + lengths, lengths)
        flat += np.arange(len(flat))
        return lengths, self.indices[flat]

    @cached_property
    def _place(self) -> Ints | None:
        """Where each id is in `item_ids`, faster than by search; None if most numbers below the largest are no id."""
        largest = int(self.item_ids[-1])
        if largest >= 16 * len(self.item_ids):
            return None
        place = np.zeros(largest + 1, np.int64)
        place[self.item_ids] = np.arange(len(self.item_ids))
        return place


@dataclass(frozen=True)
class Histories:
    """Interactions of many users, sorted by user and, within a user, oldest first (see `features.user`)."""

    item: Ints
    rating: Doubles
    time: Ints
    """Epoch seconds; ignored when `timed` is False."""
    timed: bool


def genre_score(rating_sum: Doubles, count: Doubles) -> Doubles:
    """User-genre score 10 / (1 + exp(-α · p · ln(1 + n))) with p = rating_sum / count and n = count.

    Args:
        rating_sum: sum of the user's ratings of items that carry the genre.
        count: number of these items.

    Returns:
        Scores in [5, 10) for ratings >= 0; exactly 5 where count is 0.
    """
    score = rating_sum / np.maximum(count, 1.0)
    score *= np.log1p(count)
    score *= -ALPHA
    np.exp(score, out=score)  # in place from here on: these arrays are the largest of a task
    score += 1.0
    return np.divide(10.0, score, out=score)


def user_states(histories: Histories, start: Ints, end: Ints, genres: ItemGenres) -> pa.Table:
    """User features at P points, each seeing the interactions [start, end) of `histories`.

    Points are grouped by user, and `end` never falls within a user: the cost is one pass over the interactions.

    Args:
        histories: E interactions.
        start: [P] first interaction of the point's user.
        end: [P] one past the last interaction that the point may see; end == start is an empty history.
        genres: the catalogue's genres.

    Returns:
        P rows of `spec.schema("user")`; a point with an empty history is a row of nulls.
    """
    rating_sum, count = _genre_sums(histories, start, end, genres)
    low, high = _running_extremes(histories.rating, start, end)
    seen, ratings = _seen(histories, start, end)
    return _table(histories, start, end, genre_score(rating_sum, count), high - low, seen, ratings)


def states_without_own(histories: Histories, start: Ints, end: Ints, genres: ItemGenres) -> pa.Table:
    """For each interaction of data without time: its user's features with this one interaction taken out.

    The contribution is subtracted exactly, so that a training row never sees its own target.

    Args:
        histories: E interactions; within a user in ascending order of rating.
        start: [U] first interaction of each user.
        end: [U] one past the last.
        genres: the catalogue's genres.

    Returns:
        E rows of `spec.schema("user")` in the order of `histories`.
    """
    totals, counts = _genre_sums(histories, start, end, genres)
    user = np.repeat(np.arange(len(start)), end - start)
    rating_sum, count = totals[user], counts[user]
    lengths, genre = genres.lookup(histories.item)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    np.subtract.at(rating_sum, (rows, genre), histories.rating[rows])
    np.subtract.at(count, (rows, genre), 1.0)

    own, first, last = np.arange(len(user)), start[user], end[user] - 1
    inner = (len(histories.rating) - 1,)
    low = histories.rating[np.where(own == first, first + 1, first).clip(max=inner[0])]
    high = histories.rating[np.where(own == last, last - 1, last).clip(min=0)]
    complete = [BitMap(histories.item[a:b]) for a, b in zip(start, end, strict=True)]
    seen = [(complete[u] - BitMap([histories.item[i]])).serialize() for i, u in enumerate(user)]
    by_item, half = np.lexsort((histories.item, user)), _half(histories.rating)
    orders = [by_item[a:b] for a, b in zip(start, end, strict=True)]
    ratings = [half[orders[u][orders[u] != i]].tobytes() for i, u in enumerate(user)]
    return _table(histories, first, last + 1, genre_score(rating_sum, count), high - low, seen, ratings, own)


def _genre_sums(histories: Histories, start: Ints, end: Ints, genres: ItemGenres) -> tuple[Doubles, Doubles]:
    """[P, G] sum of ratings and number of items per genre, cumulative over the points of a user."""
    # Each interaction is counted at the first point that sees it; a running sum over the user's points does the rest.
    first = np.searchsorted(start, start)  # first point of each point's user
    own = np.arange(len(start))
    before = np.where(first == own, start, end[own - 1])
    lengths = end - before
    point = np.repeat(own, lengths)
    new = np.arange(len(point)) - np.repeat(np.cumsum(lengths) - end, lengths)
    carried, genre = genres.lookup(histories.item[new])
    cell = np.repeat(point * genres.n_genres, carried)
    cell += genre
    shape = (len(start), genres.n_genres)
    weights = np.repeat(histories.rating[new], carried)
    # Without any interaction bincount forgets the type of its weights.
    rating_sum = np.bincount(cell, weights, minlength=shape[0] * shape[1]).astype(np.float64, copy=False).reshape(shape)
    count = np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
    if np.array_equal(first, own):
        return rating_sum, count
    return _running_sum(rating_sum, first), _running_sum(count, first)


def _running_sum(values: Doubles, first: Ints) -> Doubles:
    """Cumulative sum over the rows of each user, whose first row is `first`."""
    total = np.cumsum(values, axis=0)
    return total - total[first] + values[first]


def _running_extremes(rating: Doubles, start: Ints, end: Ints) -> tuple[Doubles, Doubles]:
    """Smallest and largest rating in [start, end) by one accumulated maximum over all users."""
    if not len(rating):
        return np.zeros(len(start)), np.zeros(len(start))
    # Shifting each user's ratings above all earlier users' makes the accumulation restart at every user.
    span = rating.max() - rating.min() + 1.0
    shift = _owner(start, len(rating)) * span
    at = (end - 1).clip(min=0)
    high = (np.maximum.accumulate(rating + shift) - shift)[at]
    low = -(np.maximum.accumulate(-rating + shift) - shift)[at]
    return low, high


def _seen(histories: Histories, start: Ints, end: Ints) -> tuple[list[bytes], list[bytes]]:
    """Items seen at each point as a bitmap, and their ratings in the bitmap's order."""
    owner = _owner(start, len(histories.item))
    by_item = np.argsort((owner << 32) + histories.item, kind="stable")  # ids are below 2^32: contract.MAX_ITEM_ID
    items, half = array("I", histories.item.astype(np.uint32).tobytes()), _half(histories.rating)
    stop = np.append(start, len(items))[np.searchsorted(start, start, side="right")]  # where the next user begins
    bitmaps, ratings = [], []
    bitmap, done, previous = BitMap(), 0, -1
    for first, last, beyond in zip(start.tolist(), end.tolist(), stop.tolist(), strict=True):
        if first != previous:
            bitmap, done, previous = BitMap(), first, first
        bitmap.update(items[done:last])
        done = last
        bitmaps.append(bitmap.serialize())
        seen = by_item[first:beyond]
        if last < beyond:
            seen = seen[seen < last]
        ratings.append(half[seen].tobytes())
    return bitmaps, ratings


def _owner(start: Ints, length: int) -> Ints:
    """For each interaction a number that grows by one where a user begins."""
    begins = np.zeros(length, dtype=np.int64)
    begins[start[start < length]] = 1
    return np.cumsum(begins)


def _half(rating: Doubles) -> npt.NDArray[np.float16]:
    largest = np.finfo(HALF).max
    return rating.clip(-largest, largest).astype(HALF)


def _table(
    histories: Histories,
    start: Ints,
    end: Ints,
    profile: Doubles,
    rating_range: Doubles,
    seen: list[bytes],
    seen_ratings: list[bytes],
    own: Ints | None = None,
) -> pa.Table:
    """Assemble the rows; `own` names one interaction a row that is taken out of counts and recent items."""
    taken = 0 if own is None else 1
    number = end - start - taken
    empty = number <= 0
    sums = np.concatenate([[0.0], np.cumsum(histories.rating)])
    total = sums[end] - sums[start] - (0.0 if own is None else histories.rating[own])
    recent, recent_lengths = _recent(start, end, own)
    offsets = np.concatenate([[0], np.cumsum(recent_lengths)]).astype(np.int32)

    timed = histories.timed
    if timed:
        day = histories.time // DAY
        new_day = np.ones(len(day), dtype=np.int64)
        new_day[1:] = day[1:] != day[:-1]
        days_before = np.concatenate([[0], np.cumsum(new_day)])
        # The user's first interaction opens a day even if the previous user's last one fell on the same date.
        first_is_new = new_day[start.clip(max=max(len(day) - 1, 0))] if len(day) else np.zeros(len(start), np.int64)
        active_days = days_before[end] - days_before[start] + (1 - first_is_new)
        last_time = histories.time[(end - 1).clip(min=0)] if len(day) else np.zeros(len(start), np.int64)
    untimed = empty | np.full(len(start), not timed)

    values = {
        c.GENRE_PROFILE: _lists(profile, empty),
        c.RATING_COUNT: pa.array(number, mask=empty),
        c.RATING_MEAN: pa.array(total / number.clip(min=1), mask=empty),
        c.RATING_RANGE: pa.array(rating_range, mask=empty),
        c.LAST_INTERACTION: pa.array(last_time if timed else number, mask=untimed),
        c.FREQUENCY: pa.array(active_days if timed else number, mask=untimed),
        c.INTENSITY: pa.array(number / active_days.clip(min=1) if timed else total, mask=untimed),
        c.RECENT_ITEMS: pa.ListArray.from_arrays(offsets, histories.item[recent], mask=pa.array(empty)),
        c.RECENT_RATINGS: pa.ListArray.from_arrays(
            offsets, histories.rating[recent].astype(np.float32), mask=pa.array(empty)
        ),
        c.SEEN_ITEMS: pa.array(seen, type=pa.binary(), mask=empty),
        c.SEEN_RATINGS: pa.array(seen_ratings, type=pa.binary(), mask=empty),
    }
    return pa.table([values[f.name].cast(f.type) for f in schema("user")], schema=schema("user"))


def _recent(start: Ints, end: Ints, own: Ints | None) -> tuple[Ints, Ints]:
    """Flat indices of the last `RECENT_LENGTH` interactions of each point, newest first, and how many each has."""
    reach = RECENT_LENGTH if own is None else RECENT_LENGTH + 1
    lengths = np.minimum(end - start, reach)
    rows = np.repeat(np.arange(len(start)), lengths)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    flat = end[rows] - 1 - within
    if own is not None:
        kept = flat != own[rows]
        rows, flat = rows[kept], flat[kept]
        position = np.arange(len(rows)) - np.searchsorted(rows, rows)
        rows, flat = rows[position < RECENT_LENGTH], flat[position < RECENT_LENGTH]
    return flat, np.bincount(rows, minlength=len(start))


def _lists(matrix: Doubles, empty: npt.NDArray[np.bool_]) -> pa.ListArray:
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(offsets, matrix.astype(np.float32).ravel(), mask=pa.array(empty))
