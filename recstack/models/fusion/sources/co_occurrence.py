"""Items that stand near each other in histories: what users choose in one sitting, before or after an item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints
from recstack.models.fusion.sources.base import KnownInteractions, Relations, blocks_of_items
from recstack.models.learning.neighbours import strongest
from recstack.progress import track

PAIRS = 2_000_000
"""Pairs counted at once, which bounds memory: some 100 MB."""


class Side(NamedTuple):
    """One relation out of counted pairs.

    `scale` "given" divides by n_i + shrinkage, an estimate of how likely item j is near item i; "cosine" divides by
    sqrt(n_i n_j) + shrinkage, which favours popular items less; "log" is ln(1 + 30 "given"), whose sums are large for
    items that are related to many items of the history.
    """

    direction: Literal["forward", "backward", "both"]
    scale: Literal["given", "cosine", "log"] = "given"
    shrinkage: float = 5.0


@dataclass(frozen=True)
class CoOccurrence(Relations):
    """Two items d positions apart in one history count `decay` ^ (d - 1), up to `window` positions.

    Data without time have no order: nothing is related there.
    """

    sides: Mapping[str, Side]
    window: int = 5
    decay: float = 0.7
    half_life: float | None = None
    """Age, as a share of all interactions, at which a pair counts half; None: all pairs count the same."""

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Relations`."""
        return tuple(self.sides)

    def learn(self, past: KnownInteractions, neighbours: int) -> list[sparse.csr_array]:
        """See `Relations`. The pairs of some items are counted at a time: no matrix of all pairs exists."""
        if not past.timed:
            return [sparse.csr_array((past.n_items, past.n_items), dtype=np.float32) for _ in self.sides]
        counts = past.counts
        by_item = np.argsort(past.item, kind="stable")
        ends = np.append(0, np.cumsum(counts.astype(np.int64)))
        blocks = list(blocks_of_items(counts.astype(np.int64), max(1, PAIRS // self.window)))
        parts: list[list[sparse.csr_array]] = [[] for _ in self.sides]
        for block in track(blocks, "fusion: counting pairs in histories", unit="block"):
            anchors = by_item[ends[block.start] : ends[block.stop]]
            directions = {side.direction for side in self.sides.values()}
            pairs = {}
            if directions - {"backward"}:
                pairs["forward"] = self._pairs(past, anchors, block, 1)
            if directions - {"forward"}:
                pairs["backward"] = self._pairs(past, anchors, block, -1)
            if "both" in directions:
                pairs["both"] = pairs["forward"] + pairs["backward"]
            for part, side in zip(parts, self.sides.values(), strict=True):
                part.append(strongest(_scaled(pairs[side.direction], counts, block, side), neighbours))
        return [sparse.vstack(part, format="csr") for part in parts]

    def _pairs(self, past: KnownInteractions, anchors: Ints, block: slice, sign: int) -> sparse.csr_array:
        """[items of the block, I] weights of what follows (1) or precedes (-1) interactions with these items."""
        reach = (past.following if sign > 0 else past.preceding)[anchors]
        order = np.argsort(-reach, kind="stable")  # those with others at distance d come first, whatever d is
        anchors, reach = anchors[order], reach[order]
        row, column, weight = [], [], []
        for distance in range(1, self.window + 1):
            near = anchors[: np.searchsorted(-reach, -distance, side="right")]
            other = near + sign * distance
            row.append(past.item[near] - block.start)
            column.append(past.item[other])
            value = np.full(len(near), self.decay ** (distance - 1), dtype=np.float32)
            if self.half_life is not None:
                value *= np.float32(0.5) ** (past.age[np.maximum(near, other)] / np.float32(self.half_life))
            weight.append(value)
        shape = (block.stop - block.start, past.n_items)
        return sparse.csr_array((np.concatenate(weight), (np.concatenate(row), np.concatenate(column))), shape=shape)


def _scaled(pairs: sparse.csr_array, counts: Floats, block: slice, side: Side) -> sparse.csr_array:
    known = counts.clip(min=1)
    given = np.repeat(known[block], np.diff(pairs.indptr))
    if side.scale == "cosine":
        value = pairs.data / (np.sqrt(given * known[pairs.indices]) + np.float32(side.shrinkage))
    else:
        value = pairs.data / (given + np.float32(side.shrinkage))
    if side.scale == "log":
        value = np.log1p(30 * value)
    return sparse.csr_array((value.astype(np.float32), pairs.indices, pairs.indptr), shape=pairs.shape)
