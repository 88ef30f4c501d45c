"""What the ranker of `genre_ncf` does to the retrieval's scores, and what `best` makes of them."""

import numpy as np
import pytest
import torch
from histories import random_log

from recstack.features.arrays import Floats
from recstack.models.base import FitContext
from recstack.models.genre_ncf.model import GenreNCF
from recstack.models.training_data import TrainingData


@pytest.fixture(scope="module")
def small() -> TrainingData:
    history = random_log()
    return history.training(history.encoder())


def with_loud_ranker(model: GenreNCF) -> GenreNCF:
    """The same retrieval under a ranker whose corrections are far larger than retrieval scores."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.module.ranker.weight, std=100.0)
    return model


def order(scores: Floats) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")


def test_the_ranker_orders_the_candidates_and_the_others_keep_their_order_below(small: TrainingData) -> None:
    model = GenreNCF.fit(small, FitContext(options={"epochs": 2, "candidates": 10}))
    users = small.users[100:140]
    allowed = np.ones((40, len(small.items)), dtype=bool)
    torch.nn.init.zeros_(model.module.ranker.weight)
    retrieved = order(model.score(users, allowed))
    scores = with_loud_ranker(model).score(users, allowed)
    ranked = order(scores)
    np.testing.assert_array_equal(np.sort(ranked[:, :10]), np.sort(retrieved[:, :10]))
    assert (ranked[:, :10] != retrieved[:, :10]).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(ranked[:, 10:], retrieved[:, 10:])
    for k in (5, 10, 20):
        items, best = model.best(users, allowed, k)
        np.testing.assert_array_equal(items, ranked[:, :k])
        np.testing.assert_array_equal(best, np.take_along_axis(scores, items, axis=1))


@pytest.mark.parametrize("n_allowed", [1, 4])
def test_fewer_allowed_items_than_candidates_are_all_ranked_and_nothing_else(
    small: TrainingData, n_allowed: int
) -> None:
    model = with_loud_ranker(GenreNCF.fit(small, FitContext(options={"epochs": 1, "candidates": 10})))
    users = small.users[100:110]
    allowed = np.zeros((10, len(small.items)), dtype=bool)
    allowed[:, 20 : 20 + n_allowed] = True
    scores = model.score(users, allowed)
    assert np.isfinite(scores[allowed]).all()
    assert (scores[~allowed] == -np.inf).all()
    items, best = model.best(users, allowed, 10)
    assert (np.sort(items[np.isfinite(best)].reshape(10, -1)) == np.arange(20, 20 + n_allowed)).all()


@pytest.mark.parametrize("candidates", [10, 1000])
def test_scores_that_are_no_numbers_are_not_hidden_and_not_recommended(small: TrainingData, candidates: int) -> None:
    model = GenreNCF.fit(small, FitContext(options={"epochs": 1, "candidates": candidates}))
    users, allowed = small.users[100:110], np.ones((10, len(small.items)), dtype=bool)
    torch.nn.init.constant_(model.module.item_bias.weight[:5], torch.nan)
    model.forget()
    np.testing.assert_array_equal(np.isnan(model.score(users, allowed))[:, :5], True)
    items, scores = model.best(users, allowed, 8)
    assert np.isfinite(scores).all()
    assert items.min() >= 5


def test_a_users_scores_do_not_depend_on_what_is_allowed_to_others(small: TrainingData) -> None:
    model = with_loud_ranker(GenreNCF.fit(small, FitContext(options={"epochs": 1, "candidates": 10})))
    users = small.users[100:102]
    allowed = np.ones((2, len(small.items)), dtype=bool)
    alone = model.score(users, allowed)
    allowed[1] = False
    np.testing.assert_array_equal(model.score(users, allowed)[0], alone[0])
