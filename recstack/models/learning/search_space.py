"""What there is to tune in a model: its options with the values that are worth trying."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Between:
    """A number from `low` to `high`, both included; whole if both are."""

    low: float
    high: float
    log: bool = False
    """Whether ratios count and not differences, as for a regularisation."""


@dataclass(frozen=True)
class OneOf:
    """One of some plain values."""

    values: tuple[Any, ...]


SearchSpace = Mapping[str, Between | OneOf]
"""By name of a field of the model's `Config`."""
