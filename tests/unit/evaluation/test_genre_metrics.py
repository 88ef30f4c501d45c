from itertools import combinations

import numpy as np
import pytest

from recstack.evaluation.genre_metrics import SMOOTHING, diversity, genre_shares, miscalibration, overall_genres
from recstack.features.batches import UserBatch
from recstack.features.spec import USER_SCALARS

ROMANCE, ACTION, BOTH, NONE = range(4)
GENRES = np.float32([[1, 0], [0, 1], [1, 1], [0, 0]])
UNIFORM = np.array([0.5, 0.5])


def users(*seen: list[int]) -> UserBatch:
    size = len(seen)
    return UserBatch(
        genres=np.zeros((size, 2), dtype=np.float32),
        scalars=np.zeros((size, len(USER_SCALARS)), dtype=np.float32),
        recent=np.full((size, 50), -1),
        recent_ratings=np.zeros((size, 50), dtype=np.float32),
        seen_offsets=np.append(0, np.cumsum([len(items) for items in seen])).astype(np.int64),
        seen=np.array([item for items in seen for item in items], dtype=np.int64),
        seen_ratings=np.full(sum(map(len, seen)), np.nan, dtype=np.float16),
        ids=np.full(size, -1),
    )


def divergence(p: list[float], q: list[float]) -> float:
    mixed = [(1 - SMOOTHING) * theirs + SMOOTHING * ours for ours, theirs in zip(p, q, strict=True)]
    return sum(ours * np.log(ours / other) for ours, other in zip(p, mixed, strict=True) if ours)


def test_diversity_is_the_mean_distance_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    genres = (random.random((60, 12)) < 0.2).astype(np.float32)
    lists = np.stack([random.choice(60, 10, replace=False) for _ in range(50)])
    expected = []
    for row in lists:
        vectors = [genres[item] for item in row if genres[item].any()]
        distances = [1 - a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in combinations(vectors, 2)]
        expected.append(np.mean(distances))
    np.testing.assert_allclose(diversity(lists, genres), expected, atol=1e-6)


def test_a_list_of_one_genre_has_diversity_0_and_one_without_a_common_genre_has_1() -> None:
    genres = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    assert diversity(np.array([[0, 1], [0, 2]]), genres).tolist() == [0.0, 1.0]
    assert diversity(np.array([[0, 2, 3]]), genres).tolist() == [1.0]


def test_items_without_genres_and_padding_are_left_out_of_diversity() -> None:
    lists = np.array([[ROMANCE, ACTION, NONE], [ROMANCE, ACTION, -1], [ROMANCE, NONE, -1], [-1, -1, -1]])
    assert diversity(lists, GENRES).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_list_with_the_genre_shares_of_the_history_has_miscalibration_0() -> None:
    lists = np.array([[ROMANCE, ROMANCE, ACTION], [BOTH, BOTH, BOTH]])
    found = miscalibration(lists, users([ROMANCE, ROMANCE, ACTION], [ROMANCE, ACTION]), genre_shares(GENRES), UNIFORM)
    assert found.tolist() == pytest.approx([0.0, 0.0])


def test_miscalibration_of_a_70_to_30_history_and_a_list_of_one_genre_is_that_of_the_paper() -> None:
    seen = [ROMANCE] * 7 + [ACTION] * 3
    lists = np.array([[ROMANCE] * 10, [ACTION] * 10])
    found = miscalibration(lists, users(seen, seen), genre_shares(GENRES), UNIFORM)
    assert found.tolist() == pytest.approx([divergence([0.7, 0.3], [1, 0]), divergence([0.7, 0.3], [0, 1])])
    assert found[0] < found[1]


def test_an_item_of_several_genres_counts_for_each_in_equal_parts() -> None:
    found = miscalibration(np.array([[ROMANCE, -1]]), users([ROMANCE, BOTH]), genre_shares(GENRES), UNIFORM)
    assert found.tolist() == pytest.approx([divergence([0.75, 0.25], [1, 0])])


def test_users_without_history_are_compared_with_the_genres_of_all_training_interactions() -> None:
    shares = genre_shares(GENRES)
    overall = overall_genres(np.array([6, 2, 0, 5]), shares)
    assert overall.tolist() == [0.75, 0.25]
    found = miscalibration(np.array([[ROMANCE, ACTION]] * 2), users([], [NONE]), shares, overall)
    assert found.tolist() == pytest.approx([divergence([0.75, 0.25], [0.5, 0.5])] * 2)


def test_an_empty_list_and_one_without_genres_have_the_largest_miscalibration() -> None:
    lists = np.array([[-1, -1], [NONE, -1]])
    found = miscalibration(lists, users([ROMANCE], [ACTION]), genre_shares(GENRES), UNIFORM)
    assert found.tolist() == pytest.approx([-np.log(SMOOTHING)] * 2)
