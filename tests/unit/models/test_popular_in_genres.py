import numpy as np
import pytest
from histories import random_log, viewers

from recstack.models.base import FitContext
from recstack.models.popular_in_genres.model import PopularInGenres
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData


@pytest.fixture(scope="module")
def data() -> TrainingData:
    history = random_log()
    return history.training(history.encoder())


def scores(model: PopularInGenres | Popularity, data: TrainingData, *profiles: list[float]) -> np.ndarray:
    users = viewers(*[[] for _ in profiles], genres=list(profiles))
    return model.score(users, np.ones((len(profiles), len(data.items)), dtype=bool))


def test_items_of_the_profiles_genre_rise(data: TrainingData) -> None:
    neutral, horror = scores(PopularInGenres.fit(data, FitContext()), data, [0, 0, 0], [0, 0.8, 0])
    carries = data.items.genres[:, 1] > 0
    assert (horror > neutral).tolist() == carries.tolist()
    before, after = (carries[np.argsort(-found, kind="stable")[:5]].sum() for found in (neutral, horror))
    assert after > before


def test_within_a_genre_popularity_decides(data: TrainingData) -> None:
    horror = np.flatnonzero(data.items.genres[:, 1] > 0)
    ours = scores(PopularInGenres.fit(data, FitContext()), data, [0.1, 0.8, -0.2])[0, horror]
    plain = scores(Popularity.fit(data, FitContext()), data, [0, 0, 0])[0, horror]
    assert np.argsort(-ours, kind="stable").tolist() == np.argsort(-plain, kind="stable").tolist()


def test_without_a_profile_or_without_taste_it_is_popularity(data: TrainingData) -> None:
    plain = np.argsort(-scores(Popularity.fit(data, FitContext()), data, [0, 0, 0])[0], kind="stable").tolist()
    neutral = scores(PopularInGenres.fit(data, FitContext()), data, [0, 0, 0])[0]
    tasteless = scores(PopularInGenres.fit(data, FitContext(options={"taste": 0.0})), data, [0.1, 0.8, -0.2])[0]
    assert np.argsort(-neutral, kind="stable").tolist() == plain
    assert np.argsort(-tasteless, kind="stable").tolist() == plain
