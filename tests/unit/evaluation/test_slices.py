import numpy as np

from recstack.evaluation.metrics import popularity_decile
from recstack.evaluation.slices import MOST_GENRES, target_slices

RANDOM = np.random.default_rng(0)
COUNTS = RANDOM.integers(1, 40, 200)
NAMES = tuple(f"g{number}" for number in range(30))
CARRIED = (RANDOM.random((200, 30)) < np.linspace(0.4, 0.01, 30)).astype(np.float32)
TARGETS = np.append(RANDOM.integers(0, 200, 500), [-1, -1])


def test_each_target_that_is_in_training_is_in_the_slice_of_its_items_decile() -> None:
    found = target_slices(TARGETS, COUNTS, CARRIED, NAMES)
    deciles = np.stack([found[f"popularity {number}"] for number in range(1, 11)])
    assert deciles.sum(axis=0).tolist() == [1] * 500 + [0, 0]
    assert deciles[:, :500].argmax(axis=0).tolist() == popularity_decile(COUNTS)[TARGETS[:500]].tolist()


def test_a_target_is_in_the_slices_of_all_its_genres() -> None:
    found = target_slices(TARGETS, COUNTS, CARRIED, NAMES)
    for name, mask in found.items():
        if name.startswith("genre "):
            carries = CARRIED[TARGETS, NAMES.index(name.removeprefix("genre "))] > 0
            assert mask.tolist() == (carries & (TARGETS >= 0)).tolist()


def test_only_the_most_frequent_genres_are_slices() -> None:
    found = [name for name in target_slices(TARGETS, COUNTS, CARRIED, NAMES) if name.startswith("genre ")]
    assert len(found) == MOST_GENRES
    frequency = {f"genre {name}": CARRIED[TARGETS[:500], column].sum() for column, name in enumerate(NAMES)}
    left_out = [value for name, value in frequency.items() if name not in found]
    assert [frequency[name] for name in found] == sorted((frequency[name] for name in found), reverse=True)
    assert max(left_out) <= frequency[found[-1]]


def test_empty_slices_are_left_out_and_data_without_genres_have_no_genre_slices() -> None:
    found = target_slices(np.array([3]), np.array([1, 1, 1, 1]), np.zeros((4, 0), dtype=np.float32), ())
    assert list(found) == ["popularity 8"]
    assert "genre b" not in target_slices(np.array([0]), np.array([1, 1]), np.float32([[1, 0], [0, 1]]), ("a", "b"))
