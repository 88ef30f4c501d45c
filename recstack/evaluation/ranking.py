"""Ranks an evaluation set with a model, in batches, so that memory does not grow with the number of rankings."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from recstack.evaluation import metrics
from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.genre_metrics import diversity, genre_shares, miscalibration, overall_genres
from recstack.features.arrays import Doubles, Floats, Ints, Mask
from recstack.features.batches import UserBatch
from recstack.models.base import Recommender
from recstack.models.learning.top_k import top_k
from recstack.progress import Step, working

BATCH_SIZE = 512
"""Rankings scored at once, at most."""

CELLS = 4_000_000
"""Scores in memory at once, at most: 16 MB. The allocator reuses blocks of this size."""


@dataclass(frozen=True)
class Ranking:
    """The results of one trained model on an `EvaluationSet`."""

    values: dict[str, Doubles]
    """By metric, [N] values, one per ranking."""
    coverage: float | None
    """Share of the catalogue in all lists together; None with sampled candidates, which would decide it."""
    ranks: Doubles
    """[P] rank of each relevant item, from 1; infinity for an item that is not in training."""


def rank(model: Recommender, cases: EvaluationSet, batch_size: int | None = None, name: str | None = None) -> Ranking:
    """Let a model rank an evaluation set, and report progress.

    Metrics of the recommended lists (novelty, popularity_bias, coverage) are left out where candidates are sampled:
    they would describe the sample. Those of genres (diversity, miscalibration) need items with genres.

    Args:
        model: the trained model.
        cases: N rankings.
        batch_size: rankings scored at once; a batch holds [batch_size, I] scores. None picks a fast size.
        name: of the model in the progress report; by default its own.

    Raises:
        ValueError: the model returned NaN or a wrong shape, or the features of a ranking already contain its target.
    """
    ranks = np.empty(len(cases.relevant))
    lists = np.full((len(cases), metrics.LIST_LENGTH), -1, dtype=np.int64)
    with _progress(name or model.name, cases) as step:
        for rows, targets, scores in _scored(model, cases, batch_size):
            ranks[targets] = _ranks(cases, rows, targets, scores)
            if cases.candidates is None:
                best = top_k(scores, metrics.LIST_LENGTH)
                ranked = np.take_along_axis(scores, best, axis=1) > -np.inf
                lists[rows, : best.shape[1]] = np.where(ranked, best, -1)
            step.advance(rows.stop - rows.start)

    values = metrics.ranking_metrics(ranks, cases.relevant_offsets)
    if cases.candidates is not None:
        return Ranking(values, None, ranks)
    values["novelty"] = metrics.novelty(lists, cases.item_counts, cases.n_training_users)
    values["popularity_bias"] = metrics.popularity_bias(lists, cases.item_counts, _target_popularity(cases))
    if cases.item_genres.any():
        values["diversity"] = diversity(lists, cases.item_genres)
        values["miscalibration"] = _miscalibration(lists, cases)
    return Ranking(values, metrics.coverage(lists, len(cases.item_counts)), ranks)


def ndcg(model: Recommender, cases: EvaluationSet) -> float:
    """NDCG@10, mean per user, then over users; early stopping uses it."""
    return float(user_ndcg(model, cases).mean())


def user_ndcg(model: Recommender, cases: EvaluationSet) -> Doubles:
    """[U] NDCG@10 of each user, users ascending. Faster than `rank`, because it computes no metrics of the lists."""
    ranks = np.empty(len(cases.relevant))
    with _progress(model.name, cases) as step:
        for rows, targets, scores in _scored(model, cases, None):
            ranks[targets] = _ranks(cases, rows, targets, scores)
            step.advance(rows.stop - rows.start)
    return user_means(metrics.ranking_metrics(ranks, cases.relevant_offsets)["ndcg@10"], cases.user_ids)


def _progress(name: str, cases: EvaluationSet) -> AbstractContextManager[Step]:
    return working(f"{name}: ranking {cases.n_users:,} users", total=len(cases), unit="ranking")


def _scored(model: Recommender, cases: EvaluationSet, batch_size: int | None) -> Iterator[tuple[slice, slice, Floats]]:
    """Batch after batch: the rankings, their targets in `cases.relevant`, and their [B, I] scores."""
    n_items = len(cases.item_counts)
    size = batch_size or min(BATCH_SIZE, max(1, CELLS // n_items))
    for start in range(0, len(cases), size):
        rows = slice(start, min(start + size, len(cases)))
        targets = slice(int(cases.relevant_offsets[rows.start]), int(cases.relevant_offsets[rows.stop]))
        users = cases.users[rows]
        allowed = users.unseen(n_items)
        scores = model.score(cases.given_users[rows], allowed)
        if scores.shape != allowed.shape:
            raise ValueError(f"{model.name} returned scores of shape {scores.shape}, not {allowed.shape}")
        _check_no_leak(users, allowed, _owners(cases, rows), cases.relevant[targets])
        yield rows, targets, scores


def _owners(cases: EvaluationSet, rows: slice) -> Ints:
    """The ranking that each target of these rows belongs to, counted from the first of these rows."""
    sizes = np.diff(cases.relevant_offsets[rows.start : rows.stop + 1])
    return np.repeat(np.arange(len(sizes)), sizes)


def _ranks(cases: EvaluationSet, rows: slice, targets: slice, scores: Floats) -> Doubles:
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
    """[B, C] scores of the candidates alone, and the column of each relevant item among them, -1 where it is none.

    Candidates ascend, so ties still go to the smaller position in the catalogue.
    """
    chosen = np.take_along_axis(scores, candidates.clip(min=0), axis=1)
    chosen[candidates < 0] = -np.inf
    matches = candidates[owners] == relevant[:, None]
    columns = np.where(matches.any(axis=1) & (relevant >= 0), matches.argmax(axis=1), -1)
    return chosen, columns


def _target_popularity(cases: EvaluationSet) -> float:
    """Mean training count of the targets that are in training: mean per user, then over users."""
    in_training = cases.relevant >= 0
    owners = cases.user_ids[cases.relevant_rows[in_training]]
    counts = cases.item_counts[cases.relevant[in_training]].astype(np.float64)
    return float(user_means(counts, owners).mean())


def _miscalibration(lists: Ints, cases: EvaluationSet) -> Doubles:
    """[N] values, computed in batches: the genre shares of a batch are a dense [B, G] array."""
    shares = genre_shares(cases.item_genres)
    overall = overall_genres(cases.item_counts, shares)
    starts = range(0, len(cases), BATCH_SIZE)
    batches = [slice(start, start + BATCH_SIZE) for start in starts]
    return np.concatenate([miscalibration(lists[rows], cases.users[rows], shares, overall) for rows in batches])
