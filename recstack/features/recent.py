"""The last items of each user, newest first, and their ratings."""

import numpy as np
import pyarrow as pa

from recstack.features.arrays import Ints
from recstack.features.histories import Past
from recstack.features.spec import RECENT_LENGTH


def recent_items(past: Past) -> tuple[pa.Array, pa.Array]:
    """Two lists for each of the P rows, at most `RECENT_LENGTH` long: items and ratings; null for an empty history."""
    flat, lengths = _recent(past)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items, ratings = past.histories.item[flat], past.histories.rating[flat].astype(np.float32)
    empty = pa.array(past.is_empty)
    return (
        pa.ListArray.from_arrays(offsets, items, mask=empty),
        pa.ListArray.from_arrays(offsets, ratings, mask=empty),
    )


def _recent(past: Past) -> tuple[Ints, Ints]:
    """Flat indices of the interactions that are listed, newest first, and how many each row lists."""
    reach = RECENT_LENGTH if past.left_out is None else RECENT_LENGTH + 1
    lengths = np.minimum(past.end - past.start, reach)
    rows = np.repeat(np.arange(len(past.start)), lengths)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    flat = past.end[rows] - 1 - within
    if past.left_out is not None:
        kept = flat != past.left_out[rows]
        rows, flat = rows[kept], flat[kept]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        rows, flat = rows[rank < RECENT_LENGTH], flat[rank < RECENT_LENGTH]
    return flat, np.bincount(rows, minlength=len(past.start))
