"""How sure a figure is: percentile bootstrap over users, the unit that was sampled."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Doubles

RESAMPLES = 1_000
CELLS = 1_000_000
"""Draws multiplied with the values at once: all of them would be 1,000 x U numbers, one by one is slow."""

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
        """Whether the whole interval lies above zero: a gain beyond noise."""
        return self.low > 0

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval leaves zero out, on either side."""
        return self.low > 0 or self.high < 0


def resampled_means(values: Doubles, seed: int = 0) -> Doubles:
    """Means of users drawn with replacement; the same seed draws the same users for every model.

    Args:
        values: [U, M] one row a user; many columns at once cost little more than one.
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


def intervals(values: Doubles, seed: int = 0) -> list[Interval]:
    """Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        values: [U, M] one row a user, one column a metric.
        seed: of the draws.

    Returns:
        M intervals.
    """
    low, high = np.percentile(resampled_means(values, seed), [TAIL, 100 - TAIL], axis=0)
    return [_around(*map(float, each)) for each in zip(values.mean(axis=0), low, high, strict=True)]


def difference(ours: Doubles, theirs: Doubles, seed: int = 0) -> Interval:
    """Paired difference of two models on the same users, both [U]; what all users share cancels out."""
    return intervals((ours - theirs)[:, None], seed)[0]


def ratio(ours: Doubles, theirs: Doubles, seed: int = 0) -> Interval:
    """Paired ratio of two models' means over the same users, both [U]; NaN where theirs is 0."""
    both = np.stack([ours, theirs], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.divide(*resampled_means(both, seed).T)
        mean = np.divide(*both.mean(axis=0))
    low, high = np.percentile(draws, [TAIL, 100 - TAIL])
    return _around(float(mean), float(low), float(high))


def _around(mean: float, low: float, high: float) -> Interval:
    """Sums in another order differ by rounding, and a mean of equal values lies beside their interval otherwise."""
    return Interval(mean, min(low, mean), max(high, mean))
