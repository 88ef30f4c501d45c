from dataclasses import replace

import numpy as np
import pytest
from histories import log, random_log, viewers

from recstack.models.base import FitContext
from recstack.models.ease.model import Ease
from recstack.models.learning import ease
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData

WHOLE = {"neighbours": 1000, "recency_power": 0.0, "regularisation": 3.0}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    history = random_log()
    return history.training(history.encoder())


def dense(data: TrainingData) -> np.ndarray:
    chosen = np.zeros((data.user.max() + 1, len(data.items)))
    chosen[data.user, data.item] = 1.0
    return chosen


def test_weights_are_those_of_the_paper(data: TrainingData) -> None:
    chosen = dense(data)
    inverse = np.linalg.inv(chosen.T @ chosen + 3.0 * np.eye(chosen.shape[1]))
    expected = -inverse / inverse.diagonal()
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(Ease.fit(data, FitContext(options=WHOLE)).weights.toarray(), expected, atol=1e-5)


def test_no_other_weights_with_an_empty_diagonal_predict_better(data: TrainingData) -> None:
    """The gradient of |X - X B|² + λ |B|² vanishes off the diagonal."""
    weights, chosen = Ease.fit(data, FitContext(options=WHOLE)).weights.toarray(), dense(data)
    gradient = chosen.T @ (chosen @ weights - chosen) + 3.0 * weights
    np.fill_diagonal(gradient, 0.0)
    assert not weights.diagonal().any()
    np.testing.assert_allclose(gradient, 0.0, atol=1e-4)


def test_scores_are_the_history_times_the_weights(data: TrainingData) -> None:
    model = Ease.fit(data, FitContext(options=WHOLE))
    scores = model.score(viewers([4, 7, 1]), np.ones((1, len(data.items)), dtype=bool))
    np.testing.assert_allclose(scores[0], model.weights.toarray()[[4, 7, 1]].sum(axis=0), atol=1e-5)


def test_with_a_recency_power_newer_items_count_more(data: TrainingData) -> None:
    model = Ease.fit(data, FitContext(options={**WHOLE, "recency_power": 1.0}))
    weights = model.weights.toarray()
    scores = model.score(viewers([4, 7, 1]), np.ones((1, len(data.items)), dtype=bool))
    np.testing.assert_allclose(scores[0], weights[4] + weights[7] / 2 + weights[1] / 3, atol=1e-5)


def test_in_data_without_time_all_items_of_a_history_weigh_the_same(data: TrainingData) -> None:
    timeless = replace(data, timestamp=np.full_like(data.timestamp, 86_400))
    assert Ease.fit(data, FitContext(options={"recency_power": 0.5})).recency_power == 0.5
    assert Ease.fit(timeless, FitContext(options={"recency_power": 0.5})).recency_power == 0.0


def test_only_the_largest_weights_of_an_item_are_kept(data: TrainingData) -> None:
    whole = Ease.fit(data, FitContext(options=WHOLE)).weights.toarray()
    few = Ease.fit(data, FitContext(options={**WHOLE, "neighbours": 5})).weights.toarray()
    np.testing.assert_array_equal(few[few != 0], whole[few != 0])
    assert (np.count_nonzero(few, axis=1) <= 5).all()
    for kept, row in zip(few, whole, strict=True):
        assert np.abs(row[kept == 0]).max() <= np.abs(kept[kept != 0]).min(initial=np.inf)


def test_of_a_large_catalogue_the_most_popular_items_are_modelled(data: TrainingData) -> None:
    counts = np.bincount(data.item, minlength=len(data.items))
    popular = np.sort(np.argsort(-counts, kind="stable")[:10])
    found = Ease.fit(data, FitContext(options={**WHOLE, "max_items": 10})).weights.toarray()
    chosen = dense(data)[:, popular]
    inverse = np.linalg.inv(chosen.T @ chosen + 3.0 * np.eye(10))
    expected = -inverse / inverse.diagonal()
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(found[np.ix_(popular, popular)], expected, atol=1e-5)
    assert np.count_nonzero(found) == np.count_nonzero(found[np.ix_(popular, popular)])


def test_without_history_popularity_decides(data: TrainingData) -> None:
    allowed = np.ones((1, len(data.items)), dtype=bool)
    ours, plain = (cls.fit(data, FitContext()).score(viewers([]), allowed) for cls in (Ease, Popularity))
    assert np.argsort(-ours, kind="stable").tolist() == np.argsort(-plain, kind="stable").tolist()


def test_an_item_that_nobody_chose_is_related_to_none() -> None:
    history = log([(1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 1)], n_items=3)
    weights = Ease.fit(history.training(history.encoder()), FitContext(options=WHOLE)).weights.toarray()
    assert weights[0, 1] > 0
    assert not weights[2].any()
    assert not weights[:, 2].any()


def test_the_block_size_changes_nothing(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Ease.fit(data, FitContext()).weights.toarray()
    monkeypatch.setattr(ease, "BLOCK", 7)
    np.testing.assert_array_equal(Ease.fit(data, FitContext()).weights.toarray(), whole)
