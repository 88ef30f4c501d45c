"""Random numbers that belong to their keys: no order and no partitioning can change them."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ITEM_SALT, USER_SALT, TASTE_SALT, DRAW_SALT, TIME_SALT, NOISE_SALT = range(6)
"""A key for each purpose, so that one purpose's numbers say nothing about another's."""


def hashed(*keys: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """splitmix64 (Steele et al. 2014) folded over the keys, element by element."""
    state = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            state = (state ^ np.asarray(key).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def uniform(*keys: npt.ArrayLike) -> Floats:
    """Uniform in [0, 1)."""
    return (hashed(*keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(*keys: npt.ArrayLike) -> Floats:
    """Standard normal, by the method of Box and Muller."""
    radius: Floats = np.sqrt(-2 * np.log1p(-uniform(*keys, 0)))
    angle: Floats = np.cos(2 * np.pi * uniform(*keys, 1))
    return radius * angle


def order(draws: npt.NDArray[np.uint64]) -> Ints:
    """A random order of the columns for each row."""
    order: Ints = np.argsort(draws, axis=1, kind="stable")
    return order
