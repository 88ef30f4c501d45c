from dataclasses import replace

import numpy as np
import pytest
from histories import log, random_log, viewers

from recstack.errors import UserError
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.popularity.model import Popularity
from recstack.models.recent_popularity.model import RecentPopularity
from recstack.models.training_data import TrainingData

# Item 0 was chosen three times long ago, item 1 twice just now, item 2 once halfway, item 3 never.
HISTORY = log([(1, 0, 0), (2, 0, 0), (3, 0, 0), (1, 1, 60), (2, 1, 60), (3, 2, 30)], n_items=4)


def training(history: object = HISTORY) -> TrainingData:
    return history.training(history.encoder())


def scores(model: RecentPopularity | Popularity, n_items: int) -> np.ndarray:
    return model.score(viewers([]), np.ones((1, n_items), dtype=bool))[0]


def test_an_interaction_counts_half_after_the_half_life() -> None:
    model = RecentPopularity.fit(training(), FitContext(options={"half_lives": [30.0]}))
    assert scores(model, 4) == pytest.approx([3 / 4, 2, 1 / 2, 0], abs=1e-4)


def test_what_is_chosen_now_beats_what_was_chosen_more_often() -> None:
    assert scores(RecentPopularity.fit(training(), FitContext(options={"half_lives": [10.0]})), 4).argmax() == 1
    assert scores(Popularity.fit(training(), FitContext()), 4).argmax() == 0


def test_items_that_nobody_chose_lately_follow_by_popularity() -> None:
    history = log([(1, 0, 0), (2, 0, 0), (3, 2, 0), (1, 1, 9000)], n_items=4)
    model = RecentPopularity.fit(training(history), FitContext(options={"half_lives": [1.0]}))
    assert np.argsort(-scores(model, 4), kind="stable").tolist() == [1, 0, 2, 3]


def test_in_data_without_time_it_is_popularity() -> None:
    history = random_log()
    data = training(history)
    timeless = replace(data, timestamp=np.full_like(data.timestamp, 86_400))
    n_items = len(data.items)
    expected = scores(Popularity.fit(timeless, FitContext()), n_items)
    np.testing.assert_allclose(scores(RecentPopularity.fit(timeless, FitContext()), n_items), expected, rtol=1e-5)
    assert not np.allclose(scores(RecentPopularity.fit(data, FitContext()), n_items), expected, rtol=0.1)


def test_the_half_life_that_validation_prefers_is_kept() -> None:
    def nearly(model: Recommender) -> float:
        return -abs(vars(model)["half_life"] - 12.0)

    epochs: list[Epoch] = []
    options = {"half_lives": [30.0, 10.0, 3.0]}
    searched = RecentPopularity.fit(training(), FitContext(validate=nearly, on_epoch=epochs.append, options=options))
    assert searched.refit_options() == {"half_lives": [10.0]}
    assert [epoch.metrics["half_life"] for epoch in epochs] == [30.0, 10.0, 3.0]
    assert RecentPopularity.fit(training(), FitContext(options=options)).half_life == 30.0


def test_no_half_life_to_try_is_an_error() -> None:
    with pytest.raises(UserError, match="half_lives is empty"):
        RecentPopularity.fit(training(), FitContext(options={"half_lives": []}))


def test_a_log_that_ends_before_1970_is_weighed_like_any_other() -> None:
    rows = [(1, 0, 0), (2, 0, 0), (3, 0, 0), (1, 1, 60), (2, 1, 60), (3, 2, 30)]
    old = training(log([(user, item, day - 40_000) for user, item, day in rows], n_items=4))
    model = RecentPopularity.fit(old, FitContext(options={"half_lives": [30.0]}))
    assert scores(model, 4) == pytest.approx([3 / 4, 2, 1 / 2, 0], abs=1e-4)
