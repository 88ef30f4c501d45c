"""95 % intervals by the percentile bootstrap over users."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Doubles

RESAMPLES = 1_000
CELLS = 1_000_000
"""Size limit of the [resamples, U] block of counts in memory; one resample at a time would be slow."""

TAIL = 2.5
"""Percent cut off on each side: a 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero: better beyond noise."""
        return self.low > 0

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval does not contain zero: better or worse beyond noise."""
        return self.low > 0 or self.high < 0


def resampled_means(values: Doubles, seed: int = 0) -> Doubles:
    """Means over users drawn with replacement. The same seed draws the same users for every model.

    Args:
        values: [U, M] one row per user; many columns at once cost little more than one.
        seed: of the draws.

    Returns:
        [1000, M] means.
    """
    random = np.random.default_rng(seed)
    size = len(values)
    means = np.empty((RESAMPLES, values.shape[1]))
    block = max(1, CELLS // max(1, size))
    for start in range(0, RESAMPLES, block):
        part = means[start : start + block]
        draws = [np.bincount(random.integers(size, size=size), minlength=size) for _ in part]
        part[:] = np.stack(draws).astype(np.float64) @ values / size
    return means


def intervals(values: Doubles, seed: int = 0, tail: float = TAIL) -> list[Interval]:
    """Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        values: [U, M] one row per user, one column per metric.
        seed: of the draws.
        tail: percent cut off on each side. Below 0.1 nothing changes: the ends are those of all resamples.

    Returns:
        M intervals.
    """
    low, high = np.percentile(resampled_means(values, seed), [tail, 100 - tail], axis=0)
    return [_around(*map(float, each)) for each in zip(values.mean(axis=0), low, high, strict=True)]


def difference(ours: Doubles, theirs: Doubles, seed: int = 0, tail: float = TAIL) -> Interval:
    """Difference of two models' means over the same users, both [U]; pairing cancels what differs between users."""
    return intervals((ours - theirs)[:, None], seed, tail)[0]


def ratio(ours: Doubles, theirs: Doubles, seed: int = 0) -> Interval:
    """Ratio of two models' means over the same users, both [U], paired; NaN or infinity where theirs is 0."""
    both = np.stack([ours, theirs], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.divide(*resampled_means(both, seed).T)
        mean = np.divide(*both.mean(axis=0))
    low, high = np.percentile(draws, [TAIL, 100 - TAIL])
    return _around(float(mean), float(low), float(high))


def _around(mean: float, low: float, high: float) -> Interval:
    """An interval that contains its mean: with equal values rounding can put the mean outside of the percentiles."""
    return Interval(mean, min(low, mean), max(high, mean))
