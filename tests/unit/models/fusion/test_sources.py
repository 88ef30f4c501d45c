from dataclasses import replace

import numpy as np
import pytest
from histories import DAY, Log, log, random_log

from recstack.features.batches import UserBatch
from recstack.features.spec import USER_SCALARS
from recstack.models.fusion.sources import co_occurrence
from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.fusion.sources.co_occurrence import CoOccurrence, Side
from recstack.models.fusion.sources.content import content, unit_genres
from recstack.models.fusion.sources.cosine import CosineRelations
from recstack.models.fusion.sources.ease import EaseRelations
from recstack.models.fusion.sources.popular import AtThisStage, stage, trending
from recstack.models.learning.neighbours import strongest
from recstack.models.training_data import TrainingData

ALL = 1000  # neighbours
# Users 1 and 2 go 0 -> 1 -> 2, user 3 goes 1 -> 0; item 3 is alone, item 4 unknown.
WALKS = log(
    [(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 0, 0), (2, 1, 1), (2, 2, 2), (3, 1, 5), (3, 0, 6), (4, 3, 9)], n_items=5
)


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


def past(history: Log, timed: bool = True) -> KnownInteractions:
    data = training(history)
    timestamp = data.timestamp if timed else np.full(len(data.item), DAY)
    known = np.diff(data.users.seen_offsets)
    return KnownInteractions.of(data.user, data.item, data.rating, timestamp, known, history.n_items)


def users(*recent: list[int]) -> UserBatch:
    """Histories, the newest item first."""
    count = len(recent)
    padded = np.full((count, 50), -1)
    for row, items in enumerate(recent):
        padded[row, : len(items)] = items
    return UserBatch(
        genres=np.zeros((count, 3), dtype=np.float32),
        scalars=np.zeros((count, len(USER_SCALARS)), dtype=np.float32),
        recent=padded,
        recent_ratings=np.zeros((count, 50), dtype=np.float32),
        seen_offsets=np.append(0, np.cumsum([len(items) for items in recent])),
        seen=np.array([item for items in recent for item in items], dtype=np.int64),
        seen_ratings=np.full(sum(map(len, recent)), np.nan, dtype=np.float16),
        ids=np.full(count, -1),
    )


def test_age_is_the_share_of_interactions_that_are_newer() -> None:
    np.testing.assert_allclose(past(WALKS).age, np.array([7, 5, 3, 7, 5, 3, 2, 1, 0]) / 9)
    assert not past(WALKS, timed=False).age.any()


def related(past: KnownInteractions, side: Side, **options: float) -> np.ndarray:
    (matrix,) = CoOccurrence({"it": side}, **options).learn(past, ALL)
    return matrix.toarray()


def test_pairs_are_counted_by_direction_and_weigh_less_with_distance() -> None:
    options = {"window": 2, "decay": 0.5}
    forward, backward, both = (
        related(past(WALKS), Side(direction, "given", 0.0), **options) for direction in ("forward", "backward", "both")
    )
    assert forward[0, 1] == pytest.approx(2 / 3)  # two of three users of item 0 took item 1 next
    assert forward[0, 2] == pytest.approx(0.5 * 2 / 3)
    assert forward[1, 0] == pytest.approx(1 / 3)
    assert backward[1, 0] == pytest.approx(2 / 3)
    np.testing.assert_allclose(both, forward + backward, rtol=1e-6)


def test_pairs_never_reach_from_one_user_into_the_next() -> None:
    found = related(past(WALKS), Side("both"), window=8)
    assert not found[3].any()
    assert not found[:, 3].any()


def test_old_pairs_count_less_with_a_half_life() -> None:
    found = related(past(WALKS), Side("forward", "given", 0.0), window=1, decay=1.0, half_life=1 / 9)
    assert found[1, 0] == pytest.approx(0.5 / 3)  # one interaction is newer than its second item
    assert found[0, 1] == pytest.approx(2 * 0.5**5 / 3, rel=1e-4)


@pytest.mark.parametrize("scale", ["given", "cosine", "log"])
def test_pairs_counted_in_blocks_of_items_are_those_of_a_plain_loop(
    scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = past(random_log())
    expected = np.zeros((45, 45))
    for first in range(len(known.item)):
        for second in range(first + 1, min(first + 4, len(known.item))):
            if known.user[first] == known.user[second]:
                expected[known.item[first], known.item[second]] += 0.7 ** (second - first - 1)
    counts = known.counts.clip(min=1)
    expected /= np.sqrt(np.outer(counts, counts)) + 5 if scale == "cosine" else counts[:, None] + 5
    expected = np.log1p(30 * expected) if scale == "log" else expected
    monkeypatch.setattr(co_occurrence, "PAIRS", 60)
    np.testing.assert_allclose(related(known, Side("forward", scale), window=3), expected, rtol=1e-5)


@pytest.mark.parametrize("scale", ["given", "cosine", "log"])
def test_no_items_are_related_in_data_without_time(scale: str) -> None:
    assert not related(past(WALKS, timed=False), Side("both", scale)).any()


def test_cosine_is_that_of_the_baseline() -> None:
    (matrix,) = CosineRelations(shrinkage=2.0).learn(past(WALKS), ALL)
    similar = matrix.toarray()
    assert similar[0, 1] == similar[1, 0] == pytest.approx(3 / (3 + 2))
    assert similar[0, 2] == pytest.approx(2 / (np.sqrt(6) + 2))
    assert not similar.diagonal().any()


def test_ease_has_the_closed_form_of_the_paper() -> None:
    known = past(random_log())
    chosen = known.by_user().toarray().astype(np.float64)
    inverse = np.linalg.inv(chosen.T @ chosen + 7 * np.eye(45))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    (found,) = EaseRelations({"it": 7.0}).learn(known, ALL)
    expected *= (known.counts > 0) * (known.counts > 0)[:, None]
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-5)


def test_ease_models_only_the_most_popular_items() -> None:
    (found,) = EaseRelations({"it": 300.0}, max_items=3).learn(past(random_log()), ALL)
    popular = np.argsort(-past(random_log()).counts, kind="stable")[:3]
    assert set(np.flatnonzero(found.toarray().any(axis=0))) <= set(popular)


def test_only_the_strongest_relations_stay_and_ties_with_the_last() -> None:
    (matrix,) = CosineRelations().learn(past(random_log()), ALL)
    kept = strongest(matrix, 3)
    dense = np.abs(matrix.toarray())
    for row in range(45):
        least = np.sort(dense[row])[-3]
        np.testing.assert_array_equal(kept.toarray()[row] != 0, (dense[row] >= least) & (dense[row] > 0))


def test_a_sample_holds_whole_users_and_about_as_many_interactions() -> None:
    known = past(random_log(n_users=400))
    assert known.sample(len(known.user)) is known
    some = known.sample(1000)
    assert 700 < len(some.user) < 1300
    sizes, whole = np.bincount(some.user), np.bincount(known.user)
    assert (sizes[sizes > 0] == whole[: len(sizes)][sizes > 0]).all()


def test_trends_count_what_is_new() -> None:
    scores = trending(past(WALKS), half_life=1 / 9)
    assert scores.shape == (5,)
    assert scores[3] == pytest.approx(np.log(1.1))  # the newest interaction of all
    assert scores[4] == pytest.approx(np.log(0.1), abs=1e-5)
    assert scores[0] < scores[3]


def test_new_users_get_what_new_users_choose() -> None:
    rows = [(user, item, day) for user in range(30) for day, item in enumerate([user % 2, *range(10, 40)])]
    learned = AtThisStage(prior=1.0).learn(past(log(rows, 40)))
    new, old = learned[stage(np.array([0, 29]))]
    assert min(new[0], new[1]) > new[35]
    assert max(old[0], old[1]) < old[35]


def test_items_with_genres_and_years_of_the_newest_items_score_higher() -> None:
    data = training(random_log())
    probe = users([0, 3], [])
    everything = np.tile(np.arange(45), (2, 1))
    horror = replace(probe, genres=np.array([[0, 0.8, 0], [0, 0, 0]], dtype=np.float32))
    affinity, shared, distance = np.moveaxis(content(horror, data.items, unit_genres(data.items), everything), 2, 0)
    np.testing.assert_allclose(shared[0], np.arange(45) % 3 == 0, atol=1e-6)
    assert not shared[1].any()
    assert not distance[1].any()
    assert distance[0].argmin() % 10 == 1  # items of 1990 and 1993, the newer of which weighs more
    np.testing.assert_allclose(affinity[0], np.arange(45) % 3 == 1, atol=1e-6)
    assert not affinity[1].any()
