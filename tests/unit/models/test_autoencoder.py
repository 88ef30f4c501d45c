"""The auto-encoder learns more than the offsets, from rated items only, and keeps the positions of items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from histories import DAY, Log
from scipy import sparse

from recstack.errors import UserError
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder, empty_rows
from recstack.models.autoencoder.model import Autoencoder
from recstack.models.autoencoder.network import AutoencoderModule, Config, HiddenRatingsLoss
from recstack.models.base import Epoch, FitContext
from recstack.models.bias.model import Bias
from recstack.models.learning.loop import TrainingBatch
from recstack.models.training_data import TrainingData

N_USERS, N_ITEMS, RATED = 120, 40, 24
SMALL = {
    "hidden": (16, 8, 16),
    "epochs": 40,
    "batch_size": 32,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "weight_decay": 0.1,
}


def low_rank(seed: int = 0) -> tuple[Log, Log]:
    """Ratings 1..5 by a taste that splits the catalogue, which no offset can express: to learn from, and others."""
    random = np.random.default_rng(seed)
    taste, side = random.choice([-1.0, 1.0], N_USERS), random.choice([-1.0, 1.0], N_ITEMS)
    user, item, rating, learned = [], [], [], []
    for number in range(N_USERS):
        chosen = np.sort(random.choice(N_ITEMS, RATED, replace=False))
        user += [number] * RATED
        item += chosen.tolist()
        rating += (3 + 1.5 * taste[number] * side[chosen] + random.normal(scale=0.2, size=RATED)).clip(1, 5).tolist()
        learned += (random.random(RATED) < 0.8).tolist()
    everything = Log(np.array(user), np.array(item), np.array(rating), np.arange(len(user)) * DAY, N_ITEMS)
    return everything.rows(np.array(learned)), everything.rows(~np.array(learned))


LEARNED, HELD_OUT = low_rank()


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return LEARNED.training(LEARNED.encoder())


@pytest.fixture(scope="module")
def model(data: TrainingData) -> Autoencoder:
    return Autoencoder.fit(data, FitContext(options=SMALL))


@pytest.fixture(scope="module")
def users(data: TrainingData) -> UserBatch:
    """Everybody with all that was learned from."""
    everybody = np.unique(LEARNED.user)
    return LEARNED.live(encoder=data.encoder)(everybody, None, np.zeros(N_USERS, dtype=np.int64))[:]


def rmse(model: Bias | Autoencoder, users: UserBatch) -> float:
    error = model.rate(users)[HELD_OUT.user, HELD_OUT.item] - HELD_OUT.rating
    return float(np.sqrt(np.mean(error**2)))


def network(config: Config, n_items: int) -> AutoencoderModule:
    """For items that are all of one kind."""
    items = ItemBatch(*(np.ones((n_items, width), dtype=np.float32) for width in (2, 3, 3)))
    return AutoencoderModule(config, items, np.ones(n_items, dtype=np.float32))


def test_it_beats_the_offsets_where_tastes_differ(data: TrainingData, model: Autoencoder, users: UserBatch) -> None:
    assert rmse(model, users) < 0.6 * rmse(Bias.fit(data, FitContext()), users)


def test_items_that_a_user_did_not_rate_have_no_part_in_the_loss() -> None:
    config = Config(hidden=(4,), dropout=0.0)
    residuals = sparse.csr_array(np.tile(np.float32([1.0, 0.5, -1.0, 0, 0]), (9, 1)))
    found = []
    for planted in (0.0, 100.0):
        torch.manual_seed(0)
        module = network(config, 5)
        with torch.no_grad():
            for table in (module.items, module.rated, module.seen):
                table.weight[3:] = planted  # nobody rated items 3 and 4
        loss = HiddenRatingsLoss(module, residuals)
        torch.manual_seed(1)
        value = loss(TrainingBatch(0, torch.arange(9), slice(0, 9), torch.Generator()))
        value.backward()
        for table in (module.items, module.rated, module.seen):
            assert table.weight.grad is not None
            assert not table.weight.grad[3:].any()
        assert module.items.weight.grad is not None and module.items.weight.grad.any()
        found.append(value.item())
    assert found[0] == found[1] > 0


def test_the_loss_is_the_squared_error_of_what_is_hidden() -> None:
    module = network(Config(hidden=(4,), dropout=0.0, user_shrinkage=1.0), 3).eval()
    for table in (module.items, module.item_content):
        torch.nn.init.zeros_(table.weight)  # nothing is predicted but the offset
    loss = HiddenRatingsLoss(module, sparse.csr_array((1, 3), dtype=np.float32))
    row, item = torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2])
    residual, shown = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([True, False, False])
    # The user's offset is 1 / (1 + 1), from the shown ratings only.
    assert loss.squared_error(row, item, residual, shown, 1).item() == pytest.approx(1.5**2 + 1.5**2)


def test_what_is_shown_changes_the_answer_and_what_is_hidden_does_not(model: Autoencoder, data: TrainingData) -> None:
    epochs = model.predict(history(data, {0: 5.0, 1: 1.0, 2: 5.0}))
    other = model.predict(history(data, {0: 1.0, 1: 5.0, 2: 1.0}))
    assert np.abs(epochs - other).max() > 0.5
    np.testing.assert_allclose(model.predict(history(data, {0: 5.0, 1: 1.0, 2: 5.0, 3: np.nan})), epochs, atol=1e-5)


def history(data: TrainingData, ratings: dict[int, float]) -> UserBatch:
    nobody = data.encoder.users(empty_rows(1), np.zeros(1, dtype=np.int64))
    seen = np.array(list(ratings), dtype=np.int64)
    given = np.array(list(ratings.values()), dtype=np.float16)
    return replace(nobody, seen_offsets=np.array([0, len(seen)]), seen=seen, seen_ratings=given)


def test_a_new_user_with_and_without_history_gets_finite_ratings_within_the_scale(
    model: Autoencoder, data: TrainingData
) -> None:
    for ratings in ({}, {7: 5.0}, dict.fromkeys(range(N_ITEMS), 1.0)):
        found = model.rate(history(data, ratings))
        assert found.shape == (1, N_ITEMS)
        assert found.dtype == np.float32
        assert ((found >= LEARNED.rating.min() - 1e-6) & (found <= LEARNED.rating.max() + 1e-6)).all()


def test_ratings_belong_to_the_same_items_after_a_round_trip(
    data: TrainingData, model: Autoencoder, users: UserBatch, tmp_path: Path
) -> None:
    model.save(tmp_path)
    data.encoder.save(tmp_path)
    encoder = Encoder.load(tmp_path)
    again = Autoencoder.load(tmp_path, encoder, encoder.items(LEARNED.items()))
    np.testing.assert_array_equal(again.rate(users), model.rate(users))
    assert again.best_epoch == model.best_epoch > 0
    # In another order ratings would be far off: the taste splits the catalogue at random.
    assert rmse(again, users) < 0.6


def test_it_stops_where_held_out_ratings_are_predicted_best_and_the_second_fit_ends_there(data: TrainingData) -> None:
    epochs: list[Epoch] = []
    searched = Autoencoder.fit(data, FitContext(options={**SMALL, "patience": 5}, on_epoch=epochs.append))
    curve = [epoch.metrics["held_out_rmse"] for epoch in epochs]
    assert searched.best_epoch == 1 + int(np.argmin(curve))
    assert len(curve) == min(searched.best_epoch + 5, SMALL["epochs"])

    epochs.clear()
    again = Autoencoder.fit(data, FitContext(options=searched.refit_options(), on_epoch=epochs.append))
    assert [epoch.number for epoch in epochs] == list(range(1, searched.best_epoch + 1))
    assert all("held_out_rmse" not in epoch.metrics for epoch in epochs)  # nothing is held back
    assert again.biases.counts.sum() == len(data.item) > searched.biases.counts.sum()


def test_a_rating_in_the_input_is_not_in_the_loss() -> None:
    residuals = sparse.csr_array(np.float32([[1.0, 0, -1.0], [0, 0.5, 0]]))
    everything = HiddenRatingsLoss(network(Config(hidden=(4,), shown=(1.0, 1.0)), 3), residuals)
    assert everything(TrainingBatch(0, torch.tensor([0, 1]), slice(0, 2), torch.Generator())).item() == 0.0


def test_a_training_part_without_any_rating_is_refused(data: TrainingData) -> None:
    nothing = replace(data, user=data.user[:0], item=data.item[:0], rating=data.rating[:0])
    with pytest.raises(UserError, match="no ratings"):
        Autoencoder.fit(nothing, FitContext())
