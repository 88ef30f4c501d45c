"""What all users choose: recently, and at the same length of a history."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints
from recstack.features.batches import UserBatch
from recstack.models.fusion.sources.base import CandidateSource, KnownInteractions

STAGES = 9
"""Lengths of a history are grouped by their power of two, up to 2^8."""


@dataclass(frozen=True)
class Trending(CandidateSource):
    """ln(0.1 + interactions), where an interaction counts half at the age `half_life`, a share of all interactions."""

    half_life: float = 0.02

    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """[1, I] logarithms."""
        weight = 0.5 ** (past.age / self.half_life)
        counted = np.bincount(past.item, weight, minlength=past.n_items)
        return sparse.csr_array(np.log(counted + 0.1).astype(np.float32)[None])

    def score(self, users: UserBatch) -> Floats:
        """[B, I], the same for all users."""
        return np.repeat(self.matrix.toarray(), len(users), axis=0)


@dataclass(frozen=True)
class AtThisStage(CandidateSource):
    """How much likelier an item is given the length of the user's history, as a log ratio.

    New users choose other items than experienced ones, whatever they like. Each stage also counts half of what its
    neighbours count, and `prior` interactions with the shares of all stages together.
    """

    half_life: float = 0.2
    prior: float = 50.0

    def learn(self, past: KnownInteractions) -> sparse.csr_array:
        """[STAGES, I] log ratios."""
        counted = np.zeros((STAGES, past.n_items))
        np.add.at(counted, (_stage(past.known), past.item), 0.5 ** (past.age / self.half_life))
        overall = (counted.sum(axis=0) + 0.1) / (counted.sum() + 0.1 * past.n_items)
        shared = counted.copy()
        shared[1:] += counted[:-1] / 2
        shared[:-1] += counted[1:] / 2
        share = (shared + self.prior * overall) / (shared.sum(axis=1, keepdims=True) + self.prior)
        return sparse.csr_array(np.log(share / overall).astype(np.float32))

    def score(self, users: UserBatch) -> Floats:
        """[B, I] by the length of each user's history."""
        scores: Floats = self.matrix.toarray()[_stage(np.diff(users.seen_offsets))]
        return scores


def _stage(known: Ints) -> Ints:
    return np.log2(1 + known).astype(np.int64).clip(max=STAGES - 1)
