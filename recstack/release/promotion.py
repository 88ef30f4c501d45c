"""The promotion rule: it decides whether a candidate becomes champion, the model version that is served.

It fails closed: what can't be compared does not become champion. The first line that applies decides:

1. There is no champion: promote.
2. The champion can't be kept: no server of this code can open it, because a feature that it reads has changed or is
   gone, or its model is not installed; or it reads another generation of feature rows, which nobody keeps up to date
   any more, so that it would offer what users have rated since: promote.
3. Anything else keeps the two from being compared (files are gone or damaged, an error, no test users): refuse, with
   the reason. The next call decides again. To let a candidate in nevertheless, remove the alias `champion`.
4. The champion was trained on other data, and no other candidate was compared with it on these: promote unless the
   candidate is worse. It knows newer users and items, so as good is enough. It is worse if the 95 % interval of its
   gain lies below zero, or if it loses more than `TOLERANCE` of the champion's NDCG@10 on average.
5. Otherwise promote if the candidate is better beyond noise: the interval of its gain lies above zero.

What is compared. Both models rank the test part of the candidate's data now, by this code, and the gain in NDCG@10 is
paired by user. Each is its judged model, which has learned from what lies before the test part of its own data. As a
log grows, the champion's test part begins earlier, so it has not seen these targets either. It ends as much earlier as
the champion's log does: the difference in age between the judged models is that between the served ones. If the
champion has seen some of the time of the targets all the same (a corrected log, data without time), that favours the
champion; the reason says so.

Attempts. Trying again with another seed until one wins would promote noise. So the n-th candidate that is compared with
a champion on the same data needs an interval of 1 - 0.05 / n instead of 95 % (Bonferroni: Dunn, Multiple comparisons
among means, JASA 56, 1961), and all after the first fall under line 5.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from recstack.archive.bundle import IncompatibleBundle
from recstack.errors import UserError
from recstack.evaluation.bootstrap import TAIL, difference
from recstack.release.comparison import Comparison
from recstack.storage.lake import Build
from recstack.tracking.tracker import Version

TOLERANCE: Final = 0.05
"""Share of the champion's NDCG@10 that a candidate on newer data may lose on average; matters with few users."""

log = logging.getLogger(__name__)


class Decision(NamedTuple):
    """Whether the candidate becomes champion, and why in words."""

    promote: bool
    reason: str
    final: bool = True
    """False where the two could not be compared: the next call decides again."""


def decide_promotion(
    candidate: Build, champion: Version | None, compare: Callable[[Path], Comparison], attempt: int = 1
) -> Decision:
    """Apply the promotion rule.

    Args:
        candidate: what the flow `train` published.
        champion: the registered version that carries the alias; None where there is none.
        compare: compares the candidate with the champion's published folder.
        attempt: number of this candidate among those that were compared with the champion on the candidate's data.
    """
    if champion is None:
        return Decision(True, "first model")
    try:
        if missing := [tag for tag in ("trained", "archive", "data") if tag not in champion.tags]:
            raise FileNotFoundError(f"it has no tag {' and '.join(missing)}")
        if not Path(champion.tags["archive"]).exists():
            raise FileNotFoundError(f"its archive is gone: {champion.tags['archive']}")
        compared = compare(Path(champion.tags["trained"]))
        if not len(compared.ours) or len(compared.ours) != len(compared.theirs):
            raise ValueError("there are no test users to compare on")
    except IncompatibleBundle as error:
        return Decision(True, f"champion {champion.number} can't be kept: {error}")
    except Exception as error:  # whatever it is: a model that was not compared is not promoted
        log.exception("the candidate could not be compared with champion %s", champion.number)
        return Decision(False, _why_not_compared(champion.number, error), final=False)
    other_data = champion.tags["data"] != str(candidate.manifest["data"])
    return _decide(compared, champion.number, other_data, attempt)


def _decide(compared: Comparison, number: str, other_data: bool, attempt: int) -> Decision:
    gain = difference(compared.ours, compared.theirs, tail=TAIL / attempt)
    theirs = float(compared.theirs.mean())
    reason = (
        f"test NDCG@10 {compared.ours.mean():.4f}, champion {number} {theirs:.4f}, same {len(compared.ours)} users; "
        f"paired difference {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    )
    if attempt > 1:
        reason += f", candidate {attempt} on these data, so the interval is of {100 - 2 * TAIL / attempt:.1f} %"
    if other_data and compared.champion_saw:
        reason += "; the champion may have seen these targets, which favours it"
    if other_data and attempt == 1:
        return Decision(gain.high >= 0 and gain.mean >= -TOLERANCE * theirs, f"newer data: {reason}")
    return Decision(gain.above_zero, reason)


def _why_not_compared(number: str, error: Exception) -> str:
    why = error if isinstance(error, UserError | OSError) else repr(error)
    return (
        f"it could not be compared with champion {number}: {why}. Mend that and run the flow again; or remove the "
        "alias `champion` on the model's page in MLflow, and the candidate is let in without a comparison"
    )
