"""What all users choose: recently, and at the same length of a history."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Doubles, Floats, Ints
from recstack.models.fusion.sources.base import KnownInteractions

STAGES = 9
"""Lengths of a history are grouped by their power of two, up to 2^8."""


def trending(past: KnownInteractions, half_life: float) -> Floats:
    """[I] ln(0.1 + interactions), where an interaction counts half at the age `half_life`, a share of all."""
    counted = np.bincount(past.item, 0.5 ** (past.age / half_life), minlength=past.n_items)
    found: Floats = np.log(counted + 0.1).astype(np.float32)
    return found


@dataclass(frozen=True)
class AtThisStage:
    """How much likelier an item is given the length of the user's history, as a log ratio.

    New users choose other items than experienced ones, whatever they like. Each stage also counts half of what its
    neighbours count, and `prior` interactions with the shares of all stages together.
    """

    half_life: float = 0.2
    prior: float = 50.0

    def learn(self, past: KnownInteractions) -> Floats:
        """[STAGES, I] log ratios."""
        cells = stage(past.known) * past.n_items + past.item
        weights = 0.5 ** (past.age / self.half_life)
        counted: Doubles = np.bincount(cells, weights, minlength=STAGES * past.n_items).astype(np.float64)
        counted = counted.reshape(STAGES, past.n_items)
        overall = (counted.sum(axis=0) + 0.1) / (counted.sum() + 0.1 * past.n_items)
        shared = counted.copy()
        shared[1:] += counted[:-1] / 2
        shared[:-1] += counted[1:] / 2
        share = (shared + self.prior * overall) / (shared.sum(axis=1, keepdims=True) + self.prior)
        found: Floats = np.log(share / overall).astype(np.float32)
        return found


def stage(known: Ints) -> Ints:
    """The stage of histories by their lengths, from 0 to STAGES - 1."""
    return np.log2(1 + known).astype(np.int64).clip(max=STAGES - 1)
