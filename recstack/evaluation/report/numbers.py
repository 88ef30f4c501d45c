"""Figures of a report as text."""

from typing import Final

from recstack.evaluation.bootstrap import Interval
from recstack.evaluation.estimates import Estimate
from recstack.evaluation.staleness import DAILY, FRESH, HOURLY

AGES: Final = {
    FRESH: "the target's second (0s)",
    HOURLY: "the last full hour (1h)",
    DAILY: "the last midnight (1d), as deployed",
}
"""Staleness in words."""


def number(value: float) -> str:
    """Four digits after the point below one, two above."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def estimate_text(estimate: Estimate) -> str:
    """Mean and interval of an estimate."""
    return f"{number(estimate.mean)} [{number(estimate.ci_low)}, {number(estimate.ci_high)}]"


def interval_text(interval: Interval, form: str) -> str:
    """Mean and bounds of an interval, each in the format `form`."""
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
