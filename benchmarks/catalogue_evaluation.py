"""Users ranked in a second, each against a whole catalogue: our evaluation against a loop; see README.md beside it."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import rank
from recstack.features.encode import Floats, UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.base import Mask
from recstack.models.popularity import Popularity

N_USERS, N_ITEMS, N_GENRES, DIMENSIONS, ROUNDS = 5_000, 60_000, 20, 64, 5
SEEN, TARGETS = 100, 5
LOOPED = {"argsort": 100, "sorted": 25}
"""Users of a round of each loop; ours takes all."""
CHECKED = ("recall@10", "precision@10", "ndcg@10", "mrr", "hr@10", "map@10")


class DotProduct(Popularity):
    """A user's vector, here in the place of the genres, times the items' vectors."""

    vectors: Floats

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]."""
        return np.where(allowed, users.genres @ self.vectors.T, np.float32(-np.inf))


def made_up(draw: np.random.Generator) -> EvaluationSet:
    """Popular and rare items, each user's seen and chosen ones drawn by popularity."""
    popularity = 1 / np.arange(10, N_ITEMS + 10)
    counts = draw.permutation((3e6 * popularity / popularity.sum()).astype(np.int64) + 1)
    drawn = draw.choice(N_ITEMS, (N_USERS, 2 * (SEEN + TARGETS)), p=counts / counts.sum())
    own = np.stack([np.unique(row)[draw.permutation(SEEN + TARGETS)] for row in drawn])
    users = UserBatch(
        genres=draw.normal(size=(N_USERS, DIMENSIONS)).astype(np.float32),
        scalars=np.zeros((N_USERS, 6), dtype=np.float32),
        recent=own[:, :RECENT_LENGTH],
        recent_ratings=np.zeros((N_USERS, RECENT_LENGTH), dtype=np.float32),
        seen_offsets=np.arange(N_USERS + 1) * SEEN,
        seen=own[:, :SEEN].ravel(),
    )
    return EvaluationSet(
        protocol="made up",
        users=users,
        user_ids=np.arange(N_USERS),
        relevant_offsets=np.arange(N_USERS + 1) * TARGETS,
        relevant=own[:, SEEN:].ravel(),
        candidates=None,
        item_counts=counts,
        n_training_users=N_USERS,
        slices={},
        target_slices={},
        item_genres=(draw.random((N_ITEMS, N_GENRES)) < 0.1).astype(np.float32),
    )


def loop(model: Popularity, cases: EvaluationSet, sort: Callable[[Floats], list[int]]) -> dict[str, list[float]]:
    """One user at a time, as a tutorial does it: sort the catalogue, walk through the list."""
    found: dict[str, list[float]] = {name: [] for name in CHECKED}
    for row in range(len(cases)):
        users = cases.users[row : row + 1]
        seen = set(users.seen.tolist())
        scores = model.score(users, np.ones((1, N_ITEMS), dtype=bool))[0]
        ranked = [item for item in sort(scores) if item not in seen]
        relevant = set(cases.relevant[cases.relevant_offsets[row] : cases.relevant_offsets[row + 1]].tolist())
        hits = precision = gain = 0.0
        for place, item in enumerate(ranked[:10], 1):
            if item in relevant:
                hits += 1
                precision += hits / place
                gain += 1 / np.log2(1 + place)
        found["recall@10"].append(hits / len(relevant))
        found["precision@10"].append(hits / 10)
        found["ndcg@10"].append(gain / sum(1 / np.log2(1 + place) for place in range(1, min(len(relevant), 10) + 1)))
        found["mrr"].append(next(1 / place for place, item in enumerate(ranked, 1) if item in relevant))
        found["hr@10"].append(float(hits > 0))
        found["map@10"].append(precision / len(relevant))
    return found


def by_argsort(scores: Floats) -> list[int]:
    return np.argsort(-scores, kind="stable").tolist()


def by_sorted(scores: Floats) -> list[int]:
    values = scores.tolist()
    return sorted(range(len(values)), key=lambda item: -values[item])


def first(cases: EvaluationSet, count: int) -> EvaluationSet:
    """The cases of the first users alone."""
    return replace(
        cases,
        users=cases.users[:count],
        user_ids=cases.user_ids[:count],
        relevant_offsets=cases.relevant_offsets[: count + 1],
        relevant=cases.relevant[: count * TARGETS],
    )


def check(model: Popularity, cases: EvaluationSet) -> None:
    ours = rank(model, cases).values
    for sort in (by_argsort, by_sorted):
        for name, theirs in loop(model, cases, sort).items():
            np.testing.assert_allclose(ours[name], theirs, atol=1e-9, err_msg=name)


def users_a_second(work: Callable[[], object], users: int) -> float:
    start = time.process_time()
    work()
    return users / (time.process_time() - start)


def main() -> None:
    draw = np.random.default_rng(0)
    cases = made_up(draw)
    dot = DotProduct(cases.item_counts.astype(np.float32))
    dot.vectors = draw.normal(size=(N_ITEMS, DIMENSIONS)).astype(np.float32)
    for name, model in (("popularity", Popularity(cases.item_counts.astype(np.float32))), ("dot product", dot)):
        check(model, first(cases, 10))
        works = {
            "ours": (lambda: rank(model, cases), N_USERS),  # noqa: B023
            "argsort": (lambda: loop(model, first(cases, LOOPED["argsort"]), by_argsort), LOOPED["argsort"]),  # noqa: B023
            "sorted": (lambda: loop(model, first(cases, LOOPED["sorted"]), by_sorted), LOOPED["sorted"]),  # noqa: B023
        }
        speeds: dict[str, list[float]] = {side: [] for side in works}
        for _ in range(ROUNDS):
            for side, (work, users) in works.items():
                speeds[side].append(users_a_second(work, users))
        print(f"{name}: users a second, {N_ITEMS:,} items, median of {ROUNDS} interleaved rounds, one thread")
        for side, values in speeds.items():
            ratios = [a / b for a, b in zip(speeds["ours"], values, strict=True)]
            spread = f"ours : {side} {statistics.median(ratios):.0f} x ({min(ratios):.0f} .. {max(ratios):.0f})"
            print(f"  {side:10} {statistics.median(values):>8,.0f}   {'' if side == 'ours' else spread}")
        print(f"  100,000 users in {100_000 / statistics.median(speeds['ours']):.0f} s")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
