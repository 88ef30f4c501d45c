"""Which pairs of user and item are known positives; found without a search for most pairs."""

import torch
from torch import Tensor

SLOTS = 8
"""Slots per positive: with 8, seven of eight pairs that are no positive need no search."""


class KnownPairs:
    """A set of pairs, each as one number, user * n_items + item.

    A table of marked slots, by the last bits of a pair, stands before a binary search over all positives: a pair whose
    slot is not marked is no positive. `benchmarks/ncf_training.py` measures the sampler that uses it.
    """

    def __init__(self, pairs: Tensor) -> None:
        """Index [N] pairs, at least one, in any order and with repetitions."""
        self._pairs = torch.unique(pairs)
        slots = 1 << (SLOTS * len(self._pairs) - 1).bit_length()  # the next power of two
        self._marked = torch.zeros(slots, dtype=torch.bool, device=pairs.device)
        self._marked[self._pairs & (slots - 1)] = True

    def among(self, pairs: Tensor) -> Tensor:
        """Indices of those of [M] pairs that are in the set, ascending."""
        suspects = torch.take(self._marked, pairs & (len(self._marked) - 1)).nonzero().squeeze(1)
        pairs = pairs[suspects]
        found = torch.searchsorted(self._pairs, pairs).clamp(max=len(self._pairs) - 1)
        return suspects[self._pairs[found] == pairs]
