"""The promotion rule: it decides whether a candidate becomes champion, the model version that is served.

The first line that applies decides:

1. There is no champion: promote.
2. The champion's files are gone, or this code can't load its bundle: promote.
3. The candidate or the champion has no validation users: promote.
4. Both were validated on the same data: promote if the candidate is better beyond noise. Its NDCG@10 minus the
   champion's, paired by user, must have a 95 % interval above zero.
5. They were validated on different data, so users can't be paired: promote unless the candidate is worse beyond
   noise, that is, unless its 95 % interval of NDCG@10 lies below the champion's.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from recstack.archive.bundle import Bundle, BundleError
from recstack.evaluation.bootstrap import difference, intervals
from recstack.features.arrays import Doubles
from recstack.storage.lake import Build, opened
from recstack.tracking.tracker import Version
from recstack.training.files import VALIDATION


class Decision(NamedTuple):
    """Whether the candidate becomes champion, and why in words."""

    promote: bool
    reason: str


def decide_promotion(candidate: Build, champion: Version | None) -> Decision:
    """Apply the promotion rule.

    Args:
        candidate: what the flow `train` published.
        champion: the registered version that carries the alias; None where there is none.
    """
    ours = _validation_ndcg(candidate)
    if champion is None:
        return Decision(True, f"first model; validation NDCG@10 {ours.mean():.4f}" if len(ours) else "first model")
    if problem := _why_unservable(champion):
        return Decision(True, problem)
    theirs = _validation_ndcg(opened(Path(champion.tags["trained"])))
    if not len(ours) or not len(theirs):
        return Decision(True, f"champion {champion.number} or this model has no validation users to compare on")
    if champion.tags["data"] == candidate.manifest["data"]:
        return _decide_on_same_users(ours, theirs, champion.number)
    return _decide_on_other_users(ours, theirs, champion.number)


def _validation_ndcg(trained: Build) -> Doubles:
    """[U] NDCG@10 of each validation user, users ascending."""
    ndcg: Doubles = np.load(trained.path / VALIDATION)
    return ndcg


def _why_unservable(champion: Version) -> str | None:
    """What keeps the champion from being served, or None if nothing does."""
    if not Path(champion.tags["archive"]).exists():
        return f"the archive of champion {champion.number} is gone: {champion.tags['archive']}"
    try:
        bundle = Bundle.read(Path(champion.tags["trained"]) / "bundle")
        bundle.model(bundle.encoder.items(bundle.items))
    except BundleError as error:
        return f"champion {champion.number} can't be served any more: {error}"
    return None


def _decide_on_same_users(ours: Doubles, theirs: Doubles, number: str) -> Decision:
    gain = difference(ours, theirs)
    interval = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over champion {number}"
    return Decision(gain.above_zero, f"validation NDCG@10 {ours.mean():.4f}, paired difference {interval}")


def _decide_on_other_users(ours: Doubles, theirs: Doubles, number: str) -> Decision:
    mine, other = intervals(ours[:, None])[0], intervals(theirs[:, None])[0]
    reason = (
        f"other data than champion {number}, so not paired: validation NDCG@10 {mine.mean:.4f} "
        f"[{mine.low:.4f}, {mine.high:.4f}] against {other.mean:.4f} [{other.low:.4f}, {other.high:.4f}]"
    )
    return Decision(mine.high >= other.low, reason)
