import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from histories import random_log

from recstack.errors import UserError
from recstack.features.arrays import Mask
from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.models import models
from recstack.models.base import FitContext, Recommender
from recstack.models.training_data import TrainingData

MODELS = sorted(models())
HISTORY = random_log()


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return HISTORY.training(HISTORY.encoder())


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, data: TrainingData) -> Recommender:
    return models()[request.param].fit(data, FitContext(seed=0))


@pytest.fixture(scope="module")
def users(data: TrainingData) -> UserBatch:
    """Some users as of various timestamps, the first of each user without any history."""
    return data.users[100:140]


@pytest.fixture(scope="module")
def allowed(users: UserBatch, data: TrainingData) -> Mask:
    return users.unseen(len(data.items))


def test_every_model_is_found_by_its_name() -> None:
    assert {"popularity", "item_item"} <= set(MODELS)
    assert all(cls.name == name for name, cls in models().items())


@pytest.mark.parametrize("name", [name for name, cls in models().items() if cls.space])
def test_every_tuned_name_is_an_option_of_the_model(name: str) -> None:
    assert models()[name].space.keys() <= models()[name].config_class.model_fields.keys()


def test_an_unknown_option_is_refused_by_name(model: Recommender, data: TrainingData) -> None:
    with pytest.raises(UserError, match=f"{model.name} has no option 'nonsense'; its options are: "):
        type(model).fit(data, FitContext(options={"nonsense": 1}))


def test_a_text_for_a_number_is_refused_by_the_name_of_the_option(model: Recommender, data: TrainingData) -> None:
    for option in model.config_class.model_fields:
        with pytest.raises(UserError, match=f"option {option} of {model.name} can't be '32'"):
            type(model).fit(data, FitContext(options={option: "32"}))


def test_scores_cover_users_and_catalogue(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    scores = model.score(users, allowed)
    assert scores.shape == allowed.shape
    assert scores.dtype == np.float32
    assert np.isfinite(scores[allowed]).all()


def test_items_that_are_not_allowed_score_minus_infinity(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    forbidden = allowed.copy()
    forbidden[:, ::2] = False
    scores = model.score(users, forbidden)
    assert (scores[~forbidden] == -np.inf).all()
    assert (scores[forbidden] > -np.inf).all()


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_the_best_items_are_those_with_the_highest_scores(
    model: Recommender, users: UserBatch, allowed: Mask, k: int
) -> None:
    few = allowed.copy()
    few[0], few[1, 3:], few[2, ::2] = False, False, False
    scores = model.score(users, few)
    positions, best = model.best(users, few, k)
    assert positions.shape == best.shape == (len(users), min(k, few.shape[1]))
    np.testing.assert_array_equal(best, -np.sort(-scores, axis=1)[:, :k])
    finite = np.isfinite(best)
    np.testing.assert_array_equal(positions[finite], np.argsort(-scores, axis=1, kind="stable")[:, :k][finite])


def test_a_user_without_allowed_items_is_no_error(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    assert (model.score(users, np.zeros_like(allowed)) == -np.inf).all()


def test_saved_and_loaded_scores_are_equal(
    model: Recommender, users: UserBatch, allowed: Mask, data: TrainingData, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = type(model).load(tmp_path, data.encoder, data.items)
    np.testing.assert_array_equal(again.score(users, allowed), model.score(users, allowed))


def test_saved_files_are_read_without_pickle(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path)
    readers = {
        ".json": lambda path: json.loads(path.read_text()),
        ".npy": lambda path: np.load(path, allow_pickle=False),
        ".npz": lambda path: dict(np.load(path, allow_pickle=False)),
        ".pt": lambda path: torch.load(path, weights_only=True),
    }
    assert list(tmp_path.iterdir())
    for path in tmp_path.iterdir():
        readers[path.suffix](path)


def test_the_same_seed_gives_the_same_scores(
    model: Recommender, users: UserBatch, allowed: Mask, data: TrainingData
) -> None:
    again = type(model).fit(data, FitContext(seed=0))
    np.testing.assert_array_equal(again.score(users, allowed), model.score(users, allowed))


def test_scoring_twice_gives_the_same_scores(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    np.testing.assert_array_equal(model.score(users, allowed), model.score(users, allowed))


def test_the_scores_of_a_user_do_not_depend_on_the_batch(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    whole = model.score(users, allowed)
    parts = [model.score(users[a : a + 7], allowed[a : a + 7]) for a in range(0, len(users), 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-5)


def test_scoring_does_not_change_its_input(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    before = allowed.copy(), users.recent.copy(), users.seen.copy()
    model.score(users, allowed)
    for ours, theirs in zip(before, (allowed, users.recent, users.seen), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_unknown_user_id_scores_as_an_anonymous_user(model: Recommender, users: UserBatch, allowed: Mask) -> None:
    anonymous, unknown = (replace(users, ids=np.full(len(users), number)) for number in (-1, 10**12))
    np.testing.assert_array_equal(model.score(unknown, allowed), model.score(anonymous, allowed))


def test_a_user_without_history_gets_finite_scores(model: Recommender, data: TrainingData) -> None:
    user = data.encoder.users(empty_rows(1), HISTORY.time[-1:])
    scores = model.score(user, user.unseen(len(data.items)))
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 1
