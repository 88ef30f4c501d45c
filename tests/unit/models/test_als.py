import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from histories import log, viewers
from pyspark.sql import SparkSession

from recstack.errors import UserError
from recstack.models.als.model import Als
from recstack.models.base import FitContext
from recstack.models.learning.spark_als import factorise
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData

OPTIONS = {"rank": 4, "regularisation": 0.1, "confidence": 5.0, "iterations": 15}
N_USERS, N_ITEMS, N_BLOCKS = 40, 24, 4


@pytest.fixture(scope="module")
def data(spark: SparkSession) -> TrainingData:
    """User u chooses a half of the items i with i = u mod 4, and one other."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        own = np.arange(user % N_BLOCKS, N_ITEMS, N_BLOCKS)
        chosen = {*random.choice(own, len(own) // 2, replace=False).tolist(), int(random.integers(N_ITEMS))}
        rows += [(user, item, day) for day, item in enumerate(sorted(chosen))]
    history = log(rows, N_ITEMS + 1)
    return history.training(history.encoder())


@pytest.fixture(scope="module")
def model(data: TrainingData) -> Als:
    return Als.fit(data, FitContext(options=OPTIONS))


def test_what_was_planted_is_found(model: Als) -> None:
    """A new user who chose two items of a block gets the block's other items first."""
    for block in range(N_BLOCKS):
        own = list(range(block, N_ITEMS, N_BLOCKS))
        users = viewers(own[:2])
        scores = model.score(users, users.unseen(N_ITEMS + 1))[0]
        assert sorted(np.argsort(-scores)[: len(own) - 2].tolist()) == own[2:]


def test_a_training_user_is_folded_in_to_sparks_own_factors(model: Als, data: TrainingData) -> None:
    users, items = factorise(data.user, data.item, n_items=N_ITEMS + 1, seed=0, **OPTIONS)
    histories = [data.item[data.user == user].tolist() for user in range(N_USERS)]
    np.testing.assert_array_equal(model.factors, items)
    np.testing.assert_allclose(model.fold_in(viewers(*histories)), users, atol=1e-4)


def test_folding_in_solves_the_papers_equation(model: Als) -> None:
    history = [0, 4, 9]
    factors = model.factors.astype(np.float64)
    confidence = np.ones(len(factors))
    confidence[history] += OPTIONS["confidence"]
    left = factors.T @ np.diag(confidence) @ factors + OPTIONS["regularisation"] * 3 * np.eye(4)
    expected = np.linalg.solve(left, factors.T @ (confidence * np.isin(np.arange(len(factors)), history)))
    np.testing.assert_allclose(model.fold_in(viewers(history))[0], expected, rtol=1e-4, atol=1e-6)


def test_without_history_popularity_decides(model: Als, data: TrainingData) -> None:
    allowed = np.ones((1, N_ITEMS + 1), dtype=bool)
    ours, plain = model.score(viewers([]), allowed), Popularity.fit(data, FitContext()).score(viewers([]), allowed)
    assert np.argsort(-ours, kind="stable").tolist() == np.argsort(-plain, kind="stable").tolist()


def test_an_item_that_training_never_saw_has_no_factors(model: Als) -> None:
    assert model.factors.shape == (N_ITEMS + 1, 4)
    assert not model.factors[N_ITEMS].any()


def test_another_seed_gives_other_factors(model: Als, data: TrainingData) -> None:
    assert not np.allclose(Als.fit(data, FitContext(seed=1, options=OPTIONS)).factors, model.factors)


def test_an_empty_training_part_is_refused(data: TrainingData) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(UserError, match="nothing for als to learn from"):
        Als.fit(replace(data, user=nothing, item=nothing), FitContext())


SCORE_ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np
from recstack.features.batches import UserBatch
from recstack.models import models
model = models()["als"].load(Path(sys.argv[1]), None, None)
nothing = np.zeros((2, 0), dtype=np.float32)
users = UserBatch(nothing, nothing, nothing, nothing, np.array([0, 2, 2]), np.array([0, 4]), nothing, nothing)
np.save(sys.argv[2], model.score(users, users.unseen(len(model.popularity))))
assert "pyspark" not in sys.modules
"""


def test_what_serves_it_loads_no_spark(model: Als, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    scores = tmp_path / "scores.npy"
    command = [sys.executable, "-c", SCORE_ELSEWHERE, str(tmp_path / "model"), str(scores)]
    subprocess.run(command, check=True, cwd=ROOT / "tests", env={**os.environ, "PYTHONPATH": str(ROOT)})
    users = viewers([0, 4], [])
    np.testing.assert_allclose(np.load(scores), model.score(users, users.unseen(N_ITEMS + 1)), rtol=1e-5)
