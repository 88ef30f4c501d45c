"""Factors come from Spark, users are solved for from their history, and loading the model needs no Spark."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from histories import DAY, Log
from pyspark.sql import SparkSession
from scipy import sparse

from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.models.als_ratings.model import AlsRatings, fold_in
from recstack.models.base import FitContext
from recstack.models.bias.model import Bias
from recstack.models.training_data import TrainingData

N_USERS, N_ITEMS, RATED = 60, 30, 18


def two_camps() -> Log:
    """Ratings of people who like one half of the catalogue and dislike the other; nobody rates the last item."""
    random = np.random.default_rng(0)
    side = np.where(np.arange(N_ITEMS) % 2, 1.0, -1.0)
    user = np.repeat(np.arange(N_USERS), RATED)
    item = np.concatenate([np.sort(random.choice(N_ITEMS - 1, RATED, replace=False)) for _ in range(N_USERS)])
    rating = 3 + 1.5 * np.where(user % 2, 1.0, -1.0) * side[item]
    return Log(user, item, rating, np.arange(len(user)) * DAY, N_ITEMS)


HISTORY = two_camps()


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return HISTORY.training(HISTORY.encoder())


@pytest.fixture(scope="module")
def model(spark: SparkSession, data: TrainingData) -> AlsRatings:
    return AlsRatings.fit(data, FitContext(options={"rank": 2, "regularisation": 0.02}))


@pytest.fixture(scope="module")
def before_last(data: TrainingData) -> UserBatch:
    """Every user just before the last rating that they gave."""
    last = np.append(np.flatnonzero(np.diff(data.user)), len(data.user) - 1)
    return HISTORY.live(encoder=data.encoder)(HISTORY.user[last], HISTORY.time[last], HISTORY.time[last])[:]


def test_a_users_factors_solve_the_ridge_regression_of_als() -> None:
    factors = np.float32([[1.0, 0.0], [1.0, 2.0], [0.0, 1.0]])
    residuals = sparse.csr_array(([0.5, -1.0], ([0, 0], [0, 1])), shape=(2, 3))
    found = fold_in(residuals, factors, regularisation=0.1)
    # Of items 0 and 1: Q'Q + 0.1 * 2 I = [[2.2, 2], [2, 4.2]], Q'r = [-0.5, -2].
    np.testing.assert_allclose(found[0], np.linalg.solve([[2.2, 2.0], [2.0, 4.2]], [-0.5, -2.0]), rtol=1e-6)
    assert found[1].tolist() == [0.0, 0.0]


def test_it_predicts_what_the_offsets_cannot_say(model: AlsRatings, data: TrainingData, before_last: UserBatch) -> None:
    last = np.append(np.flatnonzero(np.diff(data.user)), len(data.user) - 1)
    errors = {}
    for each in (model, Bias.fit(data, FitContext())):
        predicted = each.rate(before_last)[np.arange(N_USERS), HISTORY.item[last]]
        errors[each.name] = np.sqrt(np.mean((predicted - HISTORY.rating[last]) ** 2))
    assert errors["als_ratings"] < 0.4 * errors["bias"]


def test_an_item_or_user_without_ratings_gets_the_offsets(
    model: AlsRatings, data: TrainingData, before_last: UserBatch
) -> None:
    bias = Bias(model.biases)
    assert not model.factors[N_ITEMS - 1].any()
    np.testing.assert_allclose(
        model.rate(before_last)[:, N_ITEMS - 1], bias.rate(before_last)[:, N_ITEMS - 1], rtol=1e-6
    )
    new_user = data.encoder.users(empty_rows(1), HISTORY.time[-1:])
    np.testing.assert_allclose(model.rate(new_user), bias.rate(new_user), rtol=1e-6)


def test_ratings_belong_to_the_same_items_after_a_round_trip(
    model: AlsRatings, data: TrainingData, before_last: UserBatch, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = AlsRatings.load(tmp_path, data.encoder, data.items)
    np.testing.assert_array_equal(again.rate(before_last), model.rate(before_last))


def test_the_models_are_loaded_without_spark() -> None:
    code = "import sys; from recstack.models import models; assert models(); print('pyspark' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
