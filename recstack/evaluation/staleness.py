"""How old a user's history is when a model ranks for them: what the online store would hold, by how often it is loaded.

`0s` is a store that knows every earlier interaction, which needs a layer that computes features from events. `1h` is a
store that was loaded at the last full hour, `1d` one that was loaded at the last midnight (UTC): today's deployment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from recstack.data.splits import BY_TIME, GLOBAL_TIME
from recstack.data.timestamps import DAY
from recstack.errors import UserError, choose
from recstack.evaluation.bootstrap import Interval, intervals
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.protocols import UsersBefore
from recstack.features.arrays import Doubles

FRESH: Final = "0s"
HOURLY: Final = "1h"
DAILY: Final = "1d"
STALENESS: Final[dict[str, int]] = {FRESH: 1, HOURLY: 3_600, DAILY: DAY}
"""Seconds between two loads of the store, by name."""


@dataclass(frozen=True)
class AtStaleness:
    """The figures of a report at one staleness; targets and ranked items are the same at each."""

    without_history: float
    """Share of the rankings for which the store has no history: mean within each user, then over users."""
    ndcg: dict[str, Interval]
    """NDCG@10 by model, mean over users and training seeds."""


def with_staleness(cases: EvaluationSet, name: str, users_before: UsersBefore) -> EvaluationSet:
    """The same rankings, for a model that is given each user's features as of the last load before the ranking.

    Targets and ranked items stay the same, so that figures can be compared: what the user has done since the load is
    left out of the ranking, although a store that does not know of it would offer it. Ages count from the ranking.

    Args:
        cases: rankings with the features as of their own time, see `EvaluationSet.as_of`.
        name: of `STALENESS`.
        users_before: see `protocols.UsersBefore`.

    Raises:
        ValueError: the protocol ignores time.
    """
    if cases.as_of is None:
        raise ValueError(f"{cases.protocol} ignores time, so its histories have no age")
    if name == FRESH:
        return replace(cases, given=None)
    loaded = cases.as_of // STALENESS[name] * STALENESS[name]
    return replace(cases, given=users_before(cases.user_ids, loaded, cases.as_of))


def figures(cases: EvaluationSet, ndcg: Mapping[str, Sequence[Doubles]]) -> AtStaleness:
    """Summarise the rankings at one staleness.

    Args:
        cases: the rankings.
        ndcg: by model, for each training seed [U] NDCG@10 by user, see `ranking.user_ndcg`.
    """
    empty = (cases.given_users.known == 0).astype(np.float64)
    means = np.stack([np.mean(runs, axis=0) for runs in ndcg.values()], axis=1)
    return AtStaleness(float(user_means(empty, cases.user_ids).mean()), dict(zip(ndcg, intervals(means), strict=True)))


def named(names: Sequence[str] | None, protocol: str) -> list[str]:
    """The stalenesses to compare: those of these names, freshest first; by default all in global-time, else none.

    Raises:
        UserError: there is no such staleness, or the protocol ignores time.
    """
    if names is None:
        return list(STALENESS) if protocol == GLOBAL_TIME else []
    for name in names:
        choose("staleness", name, STALENESS)
    if names and protocol not in BY_TIME:
        raise UserError(f"{protocol} ignores time, so histories have no staleness; leave the option out")
    return [name for name in STALENESS if name in names]


def parse_names(text: str | None, protocol: str | None) -> list[str] | None:
    """Names with commas between them, checked by `named` before minutes of work; None for the default.

    Args:
        text: such as "0s,1d".
        protocol: None takes the default of the data, which is only known once they are read.
    """
    return None if text is None else named([name.strip() for name in text.split(",")], protocol or GLOBAL_TIME)
