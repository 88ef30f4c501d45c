from pathlib import Path

import numpy as np
import pytest
from histories import DAY, Log

from recstack.errors import UserError
from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.features.spec import USER_SCALARS
from recstack.models.base import FitContext
from recstack.models.bias.model import Bias
from recstack.models.learning.biases import Biases, Ratings
from recstack.models.training_data import TrainingData

# User 1 rates items 0, 1, 2; user 2 rates 0 and 1; user 3 rates 0. Nobody rates item 3.
HISTORY = Log(
    user=np.array([1, 1, 1, 2, 2, 3]),
    item=np.array([0, 1, 2, 0, 1, 0]),
    rating=np.array([5.0, 4.0, 1.0, 4.0, 2.0, 2.0]),
    time=np.arange(6) * DAY,
    n_items=4,
)
MEAN = 3.0


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return HISTORY.training(HISTORY.encoder())


def rated(*histories: dict[int, float]) -> UserBatch:
    """Users who gave these ratings to these items."""
    count = len(histories)
    return UserBatch(
        genres=np.zeros((count, 3), dtype=np.float32),
        scalars=np.zeros((count, len(USER_SCALARS)), dtype=np.float32),
        recent=np.full((count, 50), -1),
        recent_ratings=np.zeros((count, 50), dtype=np.float32),
        seen_offsets=np.append(0, np.cumsum([len(history) for history in histories])),
        seen=np.array([item for history in histories for item in history], dtype=np.int64),
        seen_ratings=np.array([rating for history in histories for rating in history.values()], dtype=np.float16),
        ids=np.full(count, -1),
    )


def test_offsets_solve_the_ridge_equations(data: TrainingData) -> None:
    # Each offset is the shrunk mean of what the other leaves: written out for items, with users solved for.
    users, items = 2.0, 3.0
    biases = Biases.fit(Ratings.of(data), user_shrinkage=users, item_shrinkage=items)
    design = np.zeros((6, 3 + 4))
    design[np.arange(6), HISTORY.user - 1] = 1
    design[np.arange(6), 3 + HISTORY.item] = 1
    ridge = design.T @ design + np.diag([users] * 3 + [items] * 4)
    solved = np.linalg.solve(ridge, design.T @ (HISTORY.rating - MEAN))
    assert biases.mean == MEAN
    np.testing.assert_allclose(biases.items, solved[3:], atol=1e-3)
    histories = rated({0: 5.0, 1: 4.0, 2: 1.0}, {0: 4.0, 1: 2.0}, {0: 2.0})
    np.testing.assert_allclose(biases.of_users(biases.residuals(histories)), solved[:3], atol=1e-3)


def test_the_offset_of_a_new_user_is_the_shrunk_mean_of_their_residuals() -> None:
    biases = Biases(3.0, np.float32([0.5, -0.5]), np.float32([9, 9]), user_shrinkage=2.0, low=1.0, high=5.0)
    residuals = biases.residuals(rated({0: 5.0, 1: 4.0}, {}))
    assert residuals.toarray().tolist() == [[1.5, 1.5], [0.0, 0.0]]
    assert biases.of_users(residuals).tolist() == [0.75, 0.0]  # (1.5 + 1.5) / (2 + 2)


def test_items_without_a_known_rating_say_nothing_about_the_user() -> None:
    biases = Biases(3.0, np.zeros(2, np.float32), np.zeros(2, np.float32), user_shrinkage=1.0, low=1.0, high=5.0)
    residuals = biases.residuals(rated({0: np.nan, 1: 5.0}))
    assert biases.of_users(residuals).tolist() == [1.0]  # 2 / (1 + 1)


def test_a_predicted_rating_is_the_sum_of_the_three_offsets_within_the_scale(data: TrainingData) -> None:
    model = Bias.fit(data, FitContext(options={"user_shrinkage": 1.0, "item_shrinkage": 1.0}))
    users = rated({0: 5.0, 1: 5.0})
    own = model.biases.of_users(model.biases.residuals(users))
    np.testing.assert_allclose(model.predict(users)[0], MEAN + own[0] + model.biases.items, rtol=1e-6)
    lenient = rated(dict.fromkeys(range(4), 5.0))
    assert model.predict(lenient).max() > 5.0
    assert model.rate(lenient).max() == 5.0
    assert model.rate(rated(dict.fromkeys(range(4), 0.0))).min() == 1.0


def test_a_new_user_without_history_gets_the_offsets_of_items(data: TrainingData) -> None:
    model = Bias.fit(data, FitContext())
    new_user = data.encoder.users(empty_rows(1), HISTORY.time[-1:])
    np.testing.assert_allclose(model.rate(new_user)[0], MEAN + model.biases.items)
    assert model.biases.items[3] == 0.0


def test_the_ranking_goes_beyond_the_scale_and_ties_go_to_what_more_people_rated() -> None:
    counts = np.float32([1, 50, 0])
    biases = Biases(4.9, np.float32([0.3, 0.3, 0.4]), counts, user_shrinkage=1.0, low=1.0, high=5.0)
    new_user = rated({})
    assert Bias(biases).rate(new_user).tolist() == [[5.0, 5.0, 5.0]]
    scores = Bias(biases).score(new_user, np.array([[True, True, True]]))
    assert np.argsort(-scores[0]).tolist() == [2, 1, 0]


def test_offsets_survive_a_round_trip(data: TrainingData, tmp_path: Path) -> None:
    biases = Biases.fit(Ratings.of(data), 2.0, 3.0)
    biases.save(tmp_path)
    again = Biases.load(tmp_path)
    for name, value in vars(biases).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_a_training_part_without_any_rating_is_refused(data: TrainingData) -> None:
    with pytest.raises(UserError, match="no ratings"):
        Ratings.of(data, np.zeros(6, dtype=bool))
