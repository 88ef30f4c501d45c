"""Shared by all comparisons: interleaved rounds, a ratio with its spread, and the record that `make bench` collects."""

import json
import os
import shlex
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = "BENCHMARK_RESULTS"
"""Environment variable: the file to which each comparison is appended as a line of JSON."""


@dataclass(frozen=True)
class Comparison:
    """One path of recstack against its usual alternative. Ratios above 1 mean that ours is better."""

    path: str
    size: str
    against: str
    baseline: float
    """Median of the other side."""
    ours: float
    """Median of our side."""
    unit: str
    ratio_median: float
    ratio_min: float
    ratio_max: float
    rounds: int
    same_result: bool
    """False only where the two sides cannot give the same answer; `check` says what was compared."""
    check: str
    command: str


def interleaved(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measurements of each work, in rounds that run each once, so that a busy machine slows all of them alike."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            measured[name].append(work())
    return measured


def compare(
    path: str,
    size: str,
    measured: Mapping[str, Sequence[float]],
    *,
    ours: str,
    against: str,
    unit: str,
    check: str,
    same_result: bool = True,
    more_is_better: bool = False,
) -> Comparison:
    """Print one comparison, and append it to the file that `BENCHMARK_RESULTS` names.

    Args:
        path: what is compared, e.g. "materialization".
        size: of the work, in words, e.g. "100,000 users".
        measured: values by side, one a round; the ratio is taken within each round.
        ours: name of our side.
        against: name of the other side.
        unit: of the values, e.g. "s" or "rows/s".
        check: what was compared of the two answers before the first round, and the result.
        same_result: whether both sides give the same answer.
        more_is_better: True for rows/s, False for seconds.
    """
    pairs = list(zip(measured[ours], measured[against], strict=True))
    ratios = [mine / other if more_is_better else other / mine for mine, other in pairs]
    found = Comparison(
        path=path,
        size=size,
        against=against,
        baseline=statistics.median(measured[against]),
        ours=statistics.median(measured[ours]),
        unit=unit,
        ratio_median=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        rounds=len(pairs),
        same_result=same_result,
        check=check,
        command=f"python {shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}",
    )
    print(
        f"{path}, {size}: {ours} {found.ours:,.4g} {unit}, {against} {found.baseline:,.4g} {unit}; "
        f"ratio {found.ratio_median:.2f} ({found.ratio_min:.2f} .. {found.ratio_max:.2f}) of {len(pairs)} rounds",
        flush=True,
    )
    if RESULTS in os.environ:
        with Path(os.environ[RESULTS]).open("a") as lines:
            lines.write(json.dumps(asdict(found)) + "\n")
    return found
