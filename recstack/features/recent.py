"""The last items of each user, newest first, and their ratings."""

import numpy as np
import pyarrow as pa

from recstack.features.arrays import Ints
from recstack.features.histories import Past
from recstack.features.spec import RECENT_LENGTH, RECENT_REACH


def recent_items(past: Past) -> tuple[pa.Array, pa.Array]:
    """Two lists for each of the P rows, at most `RECENT_LENGTH` long: items and ratings; null for an empty history.

    An item stands where the user chose it last, once, with its newest rating: a track that is played all day must not
    push out everything else. It is looked for among the last `RECENT_REACH` interactions.
    """
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
    repeated_at, left_out = past.repeated_at, past.left_out
    reach = RECENT_REACH if repeated_at is not None else RECENT_LENGTH + (left_out is not None)
    lengths = np.minimum(past.end - past.start, reach)
    rows = np.repeat(np.arange(len(past.start)), lengths)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    flat = past.end[rows] - 1 - within
    if reach > RECENT_LENGTH:
        kept = np.ones(len(flat), dtype=bool)
        if left_out is not None:
            kept &= flat != left_out[rows]
        if repeated_at is not None:
            kept &= repeated_at[flat] >= past.end[rows]
        rows, flat = rows[kept], flat[kept]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        rows, flat = rows[rank < RECENT_LENGTH], flat[rank < RECENT_LENGTH]
    return flat, np.bincount(rows, minlength=len(past.start))
