"""The example of docs/adding-a-model.md works as it stands there, and keeps the contract of all models."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from checkout import ROOT
from contract.test_models import *  # noqa: F403  the tests of the contract, here with the fixture `model` below

import recstack.models
from recstack.features.batches import UserBatch
from recstack.models import models
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.training_data import TrainingData

PAGE = ROOT / "docs" / "adding-a-model.md"
NAME = "recent_in_genres"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Recommender]]:
    """The class, found as if its folder lay in recstack/models."""
    folder = tmp_path_factory.mktemp("models")
    (folder / NAME).mkdir()
    (folder / NAME / "__init__.py").touch()
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / NAME / "model.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recstack.models, "__path__", [*recstack.models.__path__, str(folder)])
        yield models()[NAME]
    sys.modules.pop(f"recstack.models.{NAME}.model")
    sys.modules.pop(f"recstack.models.{NAME}")
    vars(recstack.models).pop(NAME)


@pytest.fixture(scope="module")
def model(example: type[Recommender], data: TrainingData) -> Recommender:
    return example.fit(data, FitContext(seed=0))


def test_the_example_prefers_the_genres_that_a_user_likes(model: Recommender, data: TrainingData) -> None:
    user = data.users[:1]
    horror, war = np.float32([[0, 0.9, 0]]), np.float32([[0, 0, 0.9]])
    allowed = np.ones((1, len(data.items)), dtype=bool)
    gain = model.score(_with_profile(user, horror), allowed) - model.score(_with_profile(user, war), allowed)
    assert (gain[0, data.items.genres[:, 1] > 0] > 0).all()
    assert (gain[0, data.items.genres[:, 2] > 0] < 0).all()


def test_the_example_keeps_the_weight_that_validation_prefers(example: type[Recommender], data: TrainingData) -> None:
    epochs: list[Epoch] = []
    searched = example.fit(
        data, FitContext(validate=lambda model: -abs(vars(model)["taste"] - 1.0), on_epoch=epochs.append)
    )
    assert searched.refit_options() == {"tastes": [1.0]}
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    again = example.fit(data, FitContext(options=searched.refit_options()))
    assert again.refit_options() == searched.refit_options()


def _with_profile(user: UserBatch, genres: np.ndarray) -> UserBatch:
    return replace(user, genres=genres)
