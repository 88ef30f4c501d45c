"""One pass of a model over an evaluation set: batch after batch, so that memory does not grow with the set."""

from dataclasses import dataclass

import numpy as np

from recstack.evaluation import metrics
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.features.encode import Floats, Ints, UserBatch
from recstack.models.base import Mask, Recommender, top_k


@dataclass(frozen=True)
class Ranking:
    """What one trained model answered to an `EvaluationSet`."""

    values: dict[str, metrics.Doubles]
    """[N] values of each metric that a single ranking has."""
    coverage: float | None
    """Share of the catalogue in the lists; None with sampled candidates, which decide it instead of the model."""
    hits: metrics.Doubles
    """[P] 1 where the relevant item is in the first ten, else 0."""


def rank(model: Recommender, cases: EvaluationSet, batch_size: int = 512) -> Ranking:
    """Let `model` rank every case.

    Metrics of the recommended lists (novelty, popularity_bias, coverage) are left out where candidates are sampled:
    they would describe the sample.

    Args:
        model: the trained model.
        cases: N rankings.
        batch_size: users scored at once; a batch holds [batch_size, I] scores.

    Raises:
        ValueError: the model returned NaN or a wrong shape, or the features of a case already contain its target.
    """
    n_items = len(cases.item_counts)
    found = np.empty(len(cases.relevant))
    lists = np.full((len(cases), metrics.LIST_LENGTH), -1, dtype=np.int64)
    for start in range(0, len(cases), batch_size):
        rows = slice(start, min(start + batch_size, len(cases)))
        users = cases.users[rows]
        allowed = users.unseen(n_items)
        scores = model.score(users, allowed)
        if scores.shape != (len(users), n_items):
            raise ValueError(f"{model.name} returned scores of shape {scores.shape}, not {(len(users), n_items)}")
        offsets = cases.relevant_offsets[rows.start : rows.stop + 1]
        owners = np.repeat(np.arange(len(users)), np.diff(offsets))
        relevant = cases.relevant[offsets[0] : offsets[-1]]
        _check_no_leak(users, allowed, owners, relevant)
        if cases.candidates is not None:
            scores, relevant = _among(cases.candidates[rows], scores, owners, relevant)
        found[offsets[0] : offsets[-1]] = metrics.ranks(scores, owners, relevant)
        if cases.candidates is None:
            best = top_k(scores, metrics.LIST_LENGTH)
            ranked = np.take_along_axis(scores, best, axis=1) > -np.inf
            lists[rows, : best.shape[1]] = np.where(ranked, best, -1)

    values = metrics.ranking_metrics(found, cases.relevant_offsets)
    if cases.candidates is None:
        values["novelty"] = metrics.novelty(lists, cases.item_counts, cases.n_training_users)
        values["popularity_bias"] = metrics.popularity_bias(lists, cases.item_counts, _typical_popularity(cases))
    return Ranking(
        values=values,
        coverage=metrics.coverage(lists, n_items) if cases.candidates is None else None,
        hits=(found <= metrics.LIST_LENGTH).astype(np.float64),
    )


def ndcg(model: Recommender, cases: EvaluationSet) -> float:
    """NDCG@10, mean per user, then over users: what early stopping watches."""
    return float(user_means(rank(model, cases).values["ndcg@10"], cases.user_ids).mean())


def _check_no_leak(users: UserBatch, allowed: Mask, owners: Ints, relevant: Ints) -> None:
    seen = ~allowed[owners, relevant] | (users.recent[owners] == relevant[:, None]).any(axis=1)
    if leaks := np.count_nonzero(seen & (relevant >= 0)):
        raise ValueError(
            f"{leaks} of {len(relevant)} targets are in the user's own features already: the features know the future,"
            " or the interactions repeat a (user, item) pair"
        )


def _among(candidates: Ints, scores: Floats, owners: Ints, relevant: Ints) -> tuple[Floats, Ints]:
    """Scores of the candidates alone, and where the relevant items are among them.

    Candidates ascend, so ties still go to the smaller position in the catalogue.
    """
    chosen = np.take_along_axis(scores, candidates.clip(min=0), axis=1)
    chosen[candidates < 0] = -np.inf
    matches = candidates[owners] == relevant[:, None]
    places = np.where(matches.any(axis=1) & (relevant >= 0), matches.argmax(axis=1), -1)
    return chosen, places


def _typical_popularity(cases: EvaluationSet) -> float:
    """Mean training count of the targets that can be hit: mean per user, then over users."""
    hittable = cases.relevant >= 0
    owners = cases.user_ids[cases.relevant_rows[hittable]]
    counts = cases.item_counts[cases.relevant[hittable]].astype(np.float64)
    return float(user_means(counts, owners).mean())
