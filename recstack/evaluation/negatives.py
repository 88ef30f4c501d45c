"""Candidate lists of leave-last-out-99: random negatives, or those that the dataset supplies."""

from typing import Final

import numpy as np
import pyarrow as pa

from recstack import columns as c
from recstack.errors import DataError
from recstack.features.arrays import Ints
from recstack.features.encode import Encoder

N_NEGATIVES: Final = 99
"""Sampled negatives of leave-last-out-99 (He et al., Neural Collaborative Filtering, WWW 2017)."""


def draw_negatives(offsets: Ints, items: Ints, counts: Ints, random: np.random.Generator) -> Ints:
    """Draw 99 training items that the user chose in no part, uniformly and without replacement.

    Args:
        offsets: [N + 1] offsets into `items`.
        items: all items that each of N users chose, in all parts.
        counts: [I] training interactions. Items without any are not drawn: no model ranks them high.
        random: source of the draws.

    Returns:
        [N, 99] items; -1 pads where fewer than 99 are left.
    """
    negatives = np.full((len(offsets) - 1, N_NEGATIVES), -1, dtype=np.int64)
    for row in range(len(negatives)):
        free = counts > 0
        free[items[offsets[row] : offsets[row + 1]]] = False
        left = np.flatnonzero(free)
        drawn = random.choice(left, min(N_NEGATIVES, len(left)), replace=False)
        negatives[row, : len(drawn)] = drawn
    return negatives


def read_negatives(table: pa.Table, user_ids: Ints, relevant: Ints, encoder: Encoder) -> Ints:
    """The negatives that the dataset supplies, unchanged: some may not be in training.

    Args:
        table: user_id and item_id, in any order; users without a target are ignored.
        user_ids: [N] ascending.
        relevant: [N] the target of each.
        encoder: of the catalogue.

    Returns:
        [N, C] items, where C is the most that one user has; -1 pads.

    Raises:
        DataError: an item is not in the catalogue, a user has no negatives, or has the target among them.
    """
    table = table.filter(pa.array(np.isin(table[c.USER_ID].to_numpy(), user_ids)))
    positions = encoder.positions(table[c.ITEM_ID].to_numpy())
    if (missing := positions < 0).any():
        example = table[c.ITEM_ID].to_numpy()[missing][0]
        raise DataError(
            f"{missing.sum()} negatives are not in the catalogue, such as item {example}; add them to the items"
        )
    pairs = np.unique(np.stack([np.searchsorted(user_ids, table[c.USER_ID].to_numpy()), positions]), axis=1)
    row, item = pairs
    if (own := item == relevant[row]).any():
        raise DataError(f"the target of user {user_ids[row[own][0]]} is among the negatives: remove it from them")
    counts = np.bincount(row, minlength=len(user_ids))
    if not counts.all():
        raise DataError(f"user {user_ids[counts.argmin()]} has a target and no negatives: add some")
    negatives = np.full((len(user_ids), counts.max()), -1, dtype=np.int64)
    negatives[np.arange(counts.max()) < counts[:, None]] = item
    return negatives
