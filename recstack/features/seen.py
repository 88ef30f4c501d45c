"""Every item that each user has seen, as a bitmap, and the ratings of these items."""

from array import array
from typing import Final

import numpy as np
from pyroaring import BitMap

from recstack.features.arrays import Doubles, Halves, Ints
from recstack.features.histories import Past

RATING_TYPE: Final = np.dtype("<f2")
"""Three digits in two bytes: ratings in halves or tenths of a star come out as they went in."""


def seen_items(past: Past) -> tuple[list[bytes], list[bytes]]:
    """For each of the P rows a serialized 32-bit Roaring bitmap of the items, and their ratings by ascending item.

    Ratings are `RATING_TYPE`, as bytes; of an item that the user has rated again it is the newest that the row may see.
    """
    return _running(past) if past.left_out is None else _without_left_out(past, past.left_out)


def _running(past: Past) -> tuple[list[bytes], list[bytes]]:
    """Rows of a user see ever more, so that one bitmap is filled and serialized again and again."""
    items, ratings = past.histories.item, _ratings(past)
    by_item, repeated_at = past.by_item, past.repeated_at
    unsigned = array("I", items.astype(np.uint32).tobytes())
    next_user = np.append(past.start, len(items))[np.searchsorted(past.start, past.start, side="right")]
    bitmaps, seen_ratings = [], []
    bitmap, done, previous = BitMap(), 0, -1
    for first, last, beyond in zip(past.start.tolist(), past.end.tolist(), next_user.tolist(), strict=True):
        if first != previous:
            bitmap, done, previous = BitMap(), first, first
        bitmap.update(unsigned[done:last])
        done = last
        bitmaps.append(bitmap.serialize())
        seen = by_item[first:beyond]
        if last < beyond:
            seen = seen[seen < last]
        if repeated_at is not None:
            seen = seen[repeated_at[seen] >= last]
        seen_ratings.append(ratings[seen].tobytes())
    return bitmaps, seen_ratings


def _without_left_out(past: Past, left_out: Ints) -> tuple[list[bytes], list[bytes]]:
    """Each row sees all of its user but one interaction, in data without timestamps, where no item is repeated."""
    items, ratings, by_item = past.histories.item, _ratings(past), past.by_item
    bitmaps, seen_ratings = [], []
    everything, previous = BitMap(), -1
    for first, last, own in zip(past.start.tolist(), past.end.tolist(), left_out.tolist(), strict=True):
        if first != previous:
            everything, previous = BitMap(items[first:last]), first
        bitmaps.append((everything - BitMap([items[own]])).serialize())
        seen = by_item[first:last]
        seen_ratings.append(ratings[seen[seen != own]].tobytes())
    return bitmaps, seen_ratings


def _ratings(past: Past) -> Halves:
    rating: Doubles = past.histories.rating
    largest = np.finfo(RATING_TYPE).max
    return rating.clip(-largest, largest).astype(RATING_TYPE)
