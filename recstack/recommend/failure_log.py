"""One line a minute that tells "the store or the model fails" from "nothing is known of these users"."""

import logging
from collections import Counter
from time import monotonic
from typing import Final

from recstack.recommend.answer import AnsweredBatch, Cause

EVERY_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class FailureLog:
    """Counts answers, and writes what failed: at the first failure, then once a minute as long as something fails."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._errors: dict[Cause, str] = {}
        self._since = float("-inf")

    def add(self, batch: AnsweredBatch, now: float | None = None) -> None:
        """Count a batch; `now` is of a monotonic clock, in seconds."""
        self._counts["answers"] += len(batch.answers)
        self._counts["unknown"] += batch.missing_features
        for failure in batch.failures:
            self._counts[failure.cause] += 1
            self._errors.setdefault(failure.cause, failure.error)
        if batch.failures or self._errors:
            self._write(monotonic() if now is None else now)

    def _write(self, now: float) -> None:
        if now - self._since < EVERY_SECONDS:
            return
        causes = "; ".join(
            f"the {cause} failed for {self._counts[cause]}, first with {error}" for cause, error in self._errors.items()
        )
        log.warning(
            "of %d answers since the last such line %s; nothing is known of %d users",
            self._counts["answers"],
            causes,
            self._counts["unknown"],
        )
        self._counts.clear()
        self._errors.clear()
        self._since = now
