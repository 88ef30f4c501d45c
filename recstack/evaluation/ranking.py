"""One pass of a model over an evaluation set: batch after batch, so that memory does not grow with the set."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recstack.evaluation import metrics
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.genre_metrics import diversity, genre_shares, miscalibration, usual_genres
from recstack.features.arrays import Doubles, Floats, Ints, Mask
from recstack.features.encode import UserBatch
from recstack.models.base import Recommender
from recstack.models.learning.top_k import top_k

BATCH_SIZE = 512
"""Users scored at once, at most."""

CELLS = 4_000_000
"""Scores in memory at once, at most: 16 MB, which is used over and over instead of being asked for anew."""


@dataclass(frozen=True)
class Ranking:
    """What one trained model answered to an `EvaluationSet`."""

    values: dict[str, Doubles]
    """[N] values of each metric that a single ranking has."""
    coverage: float | None
    """Share of the catalogue in the lists; None with sampled candidates, which decide it instead of the model."""
    found: Doubles
    """[P] rank of each relevant item, from 1; infinity for one that can't be hit."""


def rank(model: Recommender, cases: EvaluationSet, batch_size: int | None = None) -> Ranking:
    """Let `model` rank every case.

    Metrics of the recommended lists (novelty, popularity_bias, coverage) are left out where candidates are sampled:
    they would describe the sample. Those of genres (diversity, miscalibration) need items with genres.

    Args:
        model: the trained model.
        cases: N rankings.
        batch_size: users scored at once; a batch holds [batch_size, I] scores. None takes what is fast.

    Raises:
        ValueError: the model returned NaN or a wrong shape, or the features of a case already contain its target.
    """
    found = np.empty(len(cases.relevant))
    lists = np.full((len(cases), metrics.LIST_LENGTH), -1, dtype=np.int64)
    for rows, targets, scores in _scored(model, cases, batch_size):
        found[targets] = _places(cases, rows, targets, scores)
        if cases.candidates is None:
            best = top_k(scores, metrics.LIST_LENGTH)
            ranked = np.take_along_axis(scores, best, axis=1) > -np.inf
            lists[rows, : best.shape[1]] = np.where(ranked, best, -1)

    values = metrics.ranking_metrics(found, cases.relevant_offsets)
    if cases.candidates is not None:
        return Ranking(values, None, found)
    values["novelty"] = metrics.novelty(lists, cases.item_counts, cases.n_training_users)
    values["popularity_bias"] = metrics.popularity_bias(lists, cases.item_counts, _typical_popularity(cases))
    if cases.item_genres.any():
        values["diversity"] = diversity(lists, cases.item_genres)
        values["miscalibration"] = _miscalibration(lists, cases)
    return Ranking(values, metrics.coverage(lists, len(cases.item_counts)), found)


def ndcg(model: Recommender, cases: EvaluationSet) -> float:
    """NDCG@10, mean per user, then over users: what early stopping watches."""
    return float(user_ndcg(model, cases).mean())


def user_ndcg(model: Recommender, cases: EvaluationSet) -> Doubles:
    """[U] NDCG@10 of each user, users ascending; quicker than `rank`, since nobody asks what the lists are like."""
    found = np.empty(len(cases.relevant))
    for rows, targets, scores in _scored(model, cases, None):
        found[targets] = _places(cases, rows, targets, scores)
    return user_means(metrics.ranking_metrics(found, cases.relevant_offsets)["ndcg@10"], cases.user_ids)


def _scored(model: Recommender, cases: EvaluationSet, batch_size: int | None) -> Iterator[tuple[slice, slice, Floats]]:
    """Rows of the cases, their targets in `cases.relevant`, and the [rows, I] scores; batch after batch."""
    n_items = len(cases.item_counts)
    size = batch_size or min(BATCH_SIZE, max(1, CELLS // n_items))
    for start in range(0, len(cases), size):
        rows = slice(start, min(start + size, len(cases)))
        targets = slice(int(cases.relevant_offsets[rows.start]), int(cases.relevant_offsets[rows.stop]))
        users = cases.users[rows]
        allowed = users.unseen(n_items)
        scores = model.score(users, allowed)
        if scores.shape != allowed.shape:
            raise ValueError(f"{model.name} returned scores of shape {scores.shape}, not {allowed.shape}")
        _check_no_leak(users, allowed, _owners(cases, rows), cases.relevant[targets])
        yield rows, targets, scores


def _owners(cases: EvaluationSet, rows: slice) -> Ints:
    """For each target of these rows the row that it belongs to, counted from the first."""
    sizes = np.diff(cases.relevant_offsets[rows.start : rows.stop + 1])
    return np.repeat(np.arange(len(sizes)), sizes)


def _places(cases: EvaluationSet, rows: slice, targets: slice, scores: Floats) -> Doubles:
    """Rank of each target of these rows."""
    owners, relevant = _owners(cases, rows), cases.relevant[targets]
    if cases.candidates is not None:
        scores, relevant = _among(cases.candidates[rows], scores, owners, relevant)
    return metrics.ranks(scores, owners, relevant)


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


def _miscalibration(lists: Ints, cases: EvaluationSet) -> Doubles:
    """[N] in batches, since each user's genres are dense numbers."""
    shares = genre_shares(cases.item_genres)
    usual = usual_genres(cases.item_counts, shares)
    starts = range(0, len(cases), BATCH_SIZE)
    batches = [slice(start, start + BATCH_SIZE) for start in starts]
    return np.concatenate([miscalibration(lists[rows], cases.users[rows], shares, usual) for rows in batches])
