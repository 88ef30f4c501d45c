"""Users evaluated per second, each against a whole catalogue: our batches against a loop; see benchmarks/README.md."""

import resource
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from side_by_side import compare, interleaved
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import rank
from recstack.features.arrays import Doubles, Floats, Mask
from recstack.features.batches import UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.popularity.model import Popularity

N_USERS, N_ITEMS, N_GENRES, DIMENSIONS, ROUNDS = 100_000, 20_000, 20, 64, 5
SEEN, TARGETS = 100, 5
OURS, LOOPED = 5_000, 50
"""Users of one round: ours, and each loop."""
BUDGET = 180.0
"""Most seconds that 100,000 users may take."""
CHECKED = ("recall@10", "precision@10", "ndcg@10", "mrr", "hr@10", "map@10")

Score = Callable[[int, UserBatch], Floats]
"""[I] scores of the user in this row."""


class DotProduct(Popularity):
    """A user's vector times the items' vectors; the field `genres` holds the user's vector."""

    vectors: Floats

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]."""
        return np.where(allowed, users.genres @ self.vectors.T, np.float32(-np.inf))


class Network(nn.Module):
    """The same two models as in a tutorial: they take pairs of user and item."""

    def __init__(self, users: Floats, items: Floats) -> None:
        """Take the vectors; those of popularity have one number."""
        super().__init__()
        self.user = nn.Embedding.from_pretrained(torch.from_numpy(users))
        self.item = nn.Embedding.from_pretrained(torch.from_numpy(items))

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """[P] scores of P pairs."""
        scores: Tensor = (self.user(user) * self.item(item)).sum(1)
        return scores

    @torch.no_grad()
    def one_user(self, row: int, users: UserBatch) -> Floats:
        """A (user, item) tensor for every item, then the model."""
        pairs = torch.tensor([(row, item) for item in range(N_ITEMS)])
        scores: Floats = self(pairs[:, 0], pairs[:, 1]).numpy()
        return scores


def made_up(draw: np.random.Generator, n_users: int) -> EvaluationSet:
    """Items of very different popularity; each user's seen and chosen items are drawn by popularity."""
    popularity = 1 / np.arange(10, N_ITEMS + 10)
    counts = draw.permutation((3e6 * popularity / popularity.sum()).astype(np.int64) + 1)
    drawn = draw.choice(N_ITEMS, (n_users, 2 * (SEEN + TARGETS)), p=counts / counts.sum())
    own = np.stack([np.unique(row)[draw.permutation(SEEN + TARGETS)] for row in drawn])
    users = UserBatch(
        genres=rounded(draw.normal(size=(n_users, DIMENSIONS))),
        scalars=np.zeros((n_users, 6), dtype=np.float32),
        recent=own[:, :RECENT_LENGTH],
        recent_ratings=np.zeros((n_users, RECENT_LENGTH), dtype=np.float32),
        seen_offsets=np.arange(n_users + 1) * SEEN,
        seen=own[:, :SEEN].ravel(),
        seen_ratings=np.full(n_users * SEEN, np.nan, dtype=np.float16),
        ids=np.arange(n_users),
    )
    return EvaluationSet(
        protocol="made up",
        users=users,
        user_ids=np.arange(n_users),
        relevant_offsets=np.arange(n_users + 1) * TARGETS,
        relevant=own[:, SEEN:].ravel(),
        positions=own[:, SEEN:].ravel(),
        ratings=np.ones(n_users * TARGETS, dtype=np.float32),
        candidates=None,
        item_counts=counts,
        n_training_users=n_users,
        slices={},
        target_slices={},
        item_genres=(draw.random((N_ITEMS, N_GENRES)) < 0.1).astype(np.float32),
    )


def loop(score: Score, cases: EvaluationSet, sort: Callable[[Floats], list[int]]) -> dict[str, list[float]]:
    """One user at a time, as in a tutorial: sort the catalogue, walk through the list."""
    found: dict[str, list[float]] = {name: [] for name in CHECKED}
    for row in range(len(cases)):
        users = cases.users[row : row + 1]
        seen = set(users.seen.tolist())
        ranked = [item for item in sort(score(row, users)) if item not in seen]
        relevant = set(cases.relevant[cases.relevant_offsets[row] : cases.relevant_offsets[row + 1]].tolist())
        hits = precision = gain = 0.0
        for rank_of_item, item in enumerate(ranked[:10], 1):
            if item in relevant:
                hits += 1
                precision += hits / rank_of_item
                gain += 1 / np.log2(1 + rank_of_item)
        found["recall@10"].append(hits / len(relevant))
        found["precision@10"].append(hits / 10)
        found["ndcg@10"].append(gain / sum(1 / np.log2(1 + ideal) for ideal in range(1, min(len(relevant), 10) + 1)))
        found["mrr"].append(next(1 / first for first, item in enumerate(ranked, 1) if item in relevant))
        found["hr@10"].append(float(hits > 0))
        found["map@10"].append(precision / len(relevant))
    return found


def by_argsort(scores: Floats) -> list[int]:
    return np.argsort(-scores, kind="stable").tolist()


def by_sorted(scores: Floats) -> list[int]:
    values = scores.tolist()
    return sorted(range(len(values)), key=lambda item: -values[item])


def first(cases: EvaluationSet, count: int) -> EvaluationSet:
    """The rankings of the first users."""
    return replace(
        cases,
        users=cases.users[:count],
        user_ids=cases.user_ids[:count],
        relevant_offsets=cases.relevant_offsets[: count + 1],
        relevant=cases.relevant[: count * TARGETS],
    )


def seconds_a_user(work: Callable[[], object], users: int) -> Callable[[], float]:
    """CPU seconds of one thread, which other programs on the machine do not change."""

    def measure() -> float:
        start = time.process_time()
        work()
        return (time.process_time() - start) / users

    return measure


def compared(name: str, model: Popularity, network: Network, cases: EvaluationSet) -> None:
    """Check that all sides agree, compare them in rounds, then time all users."""

    def batch_of_one(row: int, users: UserBatch) -> Floats:
        return model.score(users, np.ones((1, N_ITEMS), dtype=bool))[0]

    loops: dict[str, tuple[Score, Callable[[Floats], list[int]]]] = {
        "a tutorial's loop: pairs, model, argsort": (network.one_user, by_argsort),
        "loop over users, model once a user, argsort": (batch_of_one, by_argsort),
        "loop over users, model once a user, sorted()": (batch_of_one, by_sorted),
    }
    few, some = first(cases, LOOPED), first(cases, OURS)
    expected = rank(model, few).values
    for score, sort in loops.values():
        for metric, theirs in loop(score, few, sort).items():
            np.testing.assert_allclose(expected[metric], theirs, atol=1e-9, err_msg=metric)
    works = {"ours": seconds_a_user(lambda: rank(model, some), OURS)}
    for side, (score, sort) in loops.items():
        works[side] = seconds_a_user(lambda s=score, o=sort: loop(s, few, o), LOOPED)  # type: ignore[misc]
    measured = interleaved(works, ROUNDS)
    same = f"{len(CHECKED)} metrics of {LOOPED} users to 1e-9"
    for side in loops:
        size = f"{name}, {N_ITEMS:,} items, one thread"
        compare("catalogue evaluation", size, measured, ours="ours", against=side, unit="s/user", check=same)

    start = time.perf_counter()
    rank(model, cases)
    whole = {"ours": [time.perf_counter() - start], "the bar": [BUDGET]}
    size = f"{name}, {len(cases):,} users x {N_ITEMS:,} items, one thread"
    compare("catalogue evaluation", size, whole, ours="ours", against="the bar", unit="s", check=same)


def main() -> None:
    draw = np.random.default_rng(0)
    cases = made_up(draw, N_USERS)
    counts = cases.item_counts.astype(np.float32)
    compared("popularity", Popularity(counts), Network(np.ones((N_USERS, 1), np.float32), counts[:, None]), cases)
    dot = DotProduct(counts)
    dot.vectors = rounded(draw.normal(size=(N_ITEMS, DIMENSIONS)))
    compared(f"dot product of {DIMENSIONS}", dot, Network(cases.users.genres, dot.vectors), cases)
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def rounded(values: Doubles) -> Floats:
    """Round to 64ths: their products and sums are exact, so the order of summation can't change a rank."""
    return (np.round(values * 64) / 64).astype(np.float32)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main()
