from dataclasses import replace

import numpy as np
import pytest
from histories import DAY, Log, log, random_log

from recstack.features.batches import UserBatch
from recstack.features.spec import USER_SCALARS
from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.fusion.sources.co_occurrence import CoOccurrence
from recstack.models.fusion.sources.content import genre_affinity, likeness_to_recent
from recstack.models.fusion.sources.cosine import CosineSource
from recstack.models.fusion.sources.ease import EaseSource
from recstack.models.fusion.sources.popular import AtThisStage, Trending
from recstack.models.learning.history import decay_weights
from recstack.models.learning.neighbours import strongest
from recstack.models.training_data import TrainingData

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


def test_pairs_are_counted_by_direction_and_weigh_less_with_distance() -> None:
    options = {"window": 2, "decay": 0.5, "shrinkage": 0.0}
    forward = CoOccurrence(direction="forward", **options).fit(past(WALKS)).matrix.toarray()
    assert forward[0, 1] == pytest.approx(2 / 3)  # two of three users of item 0 took item 1 next
    assert forward[0, 2] == pytest.approx(0.5 * 2 / 3)
    assert forward[1, 0] == pytest.approx(1 / 3)
    backward = CoOccurrence(direction="backward", **options).fit(past(WALKS)).matrix.toarray()
    assert backward[1, 0] == pytest.approx(2 / 3)
    both = CoOccurrence(direction="both", **options).fit(past(WALKS)).matrix.toarray()
    np.testing.assert_allclose(both, forward + backward, rtol=1e-6)


def test_pairs_never_reach_from_one_user_into_the_next() -> None:
    related = CoOccurrence(direction="both", window=8).fit(past(WALKS)).matrix.toarray()
    assert not related[3].any()
    assert not related[:, 3].any()


def test_old_pairs_count_less_with_a_half_life() -> None:
    history = past(WALKS)
    matrix = history.pairs(1, 1.0, 1 / 9).toarray()
    assert matrix[1, 0] == pytest.approx(0.5)  # one interaction is newer than its second item
    assert matrix[0, 1] == pytest.approx(2 * 0.5**5, rel=1e-4)


@pytest.mark.parametrize("scale", ["given", "cosine", "log"])
def test_no_items_are_related_in_data_without_time(scale: str) -> None:
    assert not CoOccurrence(scale=scale).fit(past(WALKS, timed=False)).matrix.nnz


def test_cosine_is_that_of_the_baseline() -> None:
    similar = CosineSource(shrinkage=2.0).fit(past(WALKS)).matrix.toarray()
    assert similar[0, 1] == similar[1, 0] == pytest.approx(3 / (3 + 2))
    assert similar[0, 2] == pytest.approx(2 / (np.sqrt(6) + 2))
    assert not similar.diagonal().any()


def test_ease_has_the_closed_form_of_the_paper() -> None:
    known = past(random_log())
    chosen = known.by_user().toarray().astype(np.float64)
    inverse = np.linalg.inv(chosen.T @ chosen + 7 * np.eye(45))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    found = EaseSource(regularisation=7.0).fit(known).matrix.toarray()
    np.testing.assert_allclose(found, expected * (known.counts > 0) * (known.counts > 0)[:, None], atol=1e-5)


def test_ease_models_only_the_most_popular_items() -> None:
    found = EaseSource(max_items=3).fit(past(random_log())).matrix.toarray()
    popular = np.argsort(-past(random_log()).counts, kind="stable")[:3]
    assert set(np.flatnonzero(found.any(axis=0))) <= set(popular)


def test_scores_are_the_weighted_history_times_what_was_learned() -> None:
    source = replace(CosineSource(shrinkage=0.0, recency_decay=0.5, base=0.1).fit(past(WALKS)))
    history = decay_weights(users([1, 0], []), 5, 0.5, 0.1).toarray()
    np.testing.assert_allclose(history, [[0.6, 1.1, 0, 0, 0], [0] * 5], rtol=1e-6)
    np.testing.assert_allclose(source.score(users([1, 0], [])), history @ source.matrix.toarray(), rtol=1e-6)


def test_only_the_strongest_relations_stay_and_ties_with_the_last() -> None:
    matrix = CosineSource().fit(past(random_log())).matrix
    kept = strongest(matrix, 3)
    dense = np.abs(matrix.toarray())
    for row in range(45):
        least = np.sort(dense[row])[-3]
        np.testing.assert_array_equal(kept.toarray()[row] != 0, (dense[row] >= least) & (dense[row] > 0))


def test_trends_count_what_is_new() -> None:
    scores = Trending(half_life=1 / 9).fit(past(WALKS)).score(users([], [0]))
    assert scores.shape == (2, 5)
    assert scores[0, 3] == pytest.approx(np.log(1.1))  # the newest interaction of all
    assert scores[0, 4] == pytest.approx(np.log(0.1), abs=1e-5)
    assert scores[0, 0] < scores[0, 3]


def test_new_users_get_what_new_users_choose() -> None:
    rows = [(user, item, day) for user in range(30) for day, item in enumerate([user % 2, *range(10, 40)])]
    stage = AtThisStage(prior=1.0).fit(past(log(rows, 40)))
    new, old = stage.score(users([], list(range(10, 39))))
    assert min(new[0], new[1]) > new[35]
    assert max(old[0], old[1]) < old[35]


def test_items_with_genres_and_years_of_the_newest_items_score_higher() -> None:
    data = training(random_log())
    probe = users([0, 3], [])
    shared, distance = likeness_to_recent(probe, data.items)
    np.testing.assert_allclose(shared[0], np.arange(45) % 3 == 0, atol=1e-6)
    assert not shared[1].any()
    assert not distance[1].any()
    assert distance[0].argmin() % 10 == 1  # items of 1990 and 1993, the newer of which weighs more
    horror = replace(probe, genres=np.array([[0, 0.8, 0], [0, 0, 0]], dtype=np.float32))
    affinity = genre_affinity(horror, data.items)
    np.testing.assert_allclose(affinity[0], np.arange(45) % 3 == 1, atol=1e-6)
    assert not affinity[1].any()
