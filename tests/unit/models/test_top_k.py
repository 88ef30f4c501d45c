import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recstack.models.learning.top_k import GROUP, top_k


def sorted_whole(scores: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3_000), st.integers(1, 60), st.integers(1, 500))
def test_the_best_items_are_those_of_a_stable_sort(seed: int, rows: int, n_items: int, k: int, values: int) -> None:
    scores = np.random.default_rng(seed).integers(0, values, (rows, n_items)).astype(np.float32)  # many ties
    assert top_k(scores, k).tolist() == sorted_whole(scores, k).tolist()


@pytest.mark.parametrize("n_items", [GROUP * 80 - 1, GROUP * 80, GROUP * 80 + 77])
def test_the_best_items_are_found_wherever_they_stand(n_items: int) -> None:
    for start in range(0, n_items, 997):
        scores = np.zeros((1, n_items), dtype=np.float32)
        scores[0, start : start + 20] = np.arange(20)[: n_items - start]
        assert top_k(scores, 10).tolist() == sorted_whole(scores, 10).tolist()


def test_items_that_are_not_allowed_come_last_in_order() -> None:
    scores = np.full((2, 900), -np.inf, dtype=np.float32)
    scores[0, [800, 3]] = [1.0, 2.0]
    assert top_k(scores, 4).tolist() == [[3, 800, 0, 1], [0, 1, 2, 3]]


@pytest.mark.parametrize(("shape", "k", "expected"), [((0, 5), 3, (0, 3)), ((2, 3), 9, (2, 3)), ((2, 0), 4, (2, 0))])
def test_no_users_few_items_and_none_are_no_error(shape: tuple[int, int], k: int, expected: tuple[int, int]) -> None:
    assert top_k(np.zeros(shape, dtype=np.float32), k).shape == expected


@pytest.mark.parametrize("k", [2, 3, 10])
def test_a_nan_score_is_an_error_and_no_item_is_returned_twice(k: int) -> None:
    scores = np.random.default_rng(0).normal(size=(1, 2_000)).astype(np.float32)
    scores[0, 5] = np.nan
    with pytest.raises(ValueError, match=r"row 0 .* not numbers"):
        top_k(scores, k)
