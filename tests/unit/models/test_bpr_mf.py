from dataclasses import replace

import numpy as np
import pytest
import torch
from histories import GENRES, Log, log, viewers

from recstack.errors import UserError
from recstack.models.base import Epoch, FitContext
from recstack.models.bpr_mf.model import BprMf, Config, PairwiseLoss
from recstack.models.bpr_mf.network import BprModule, ridge_regression
from recstack.models.learning.loop import TrainingBatch
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData

N_USERS, N_ITEMS = 60, 30
OPTIONS = {"dimension": 8, "batch_size": 64, "learning_rate": 1e-2, "weight_decay": 1e-4, "epochs": 40}


def one_genre_each() -> Log:
    """User u chooses six of the ten items i with i = u mod 3."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        own = np.arange(user % len(GENRES), N_ITEMS, len(GENRES))
        rows += [(user, int(item), day) for day, item in enumerate(random.choice(own, 6, replace=False))]
    return log(rows, N_ITEMS)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    history = one_genre_each()
    return history.training(history.encoder())


@pytest.fixture(scope="module")
def model(data: TrainingData) -> BprMf:
    return BprMf.fit(data, FitContext(options=OPTIONS))


@pytest.mark.parametrize("genre", range(len(GENRES)))
def test_a_new_user_with_two_items_of_a_genre_gets_that_genre(model: BprMf, genre: int) -> None:
    users = viewers([genre, genre + 3])
    best = np.argsort(-model.score(users, users.unseen(N_ITEMS))[0])[:8]
    assert (best % len(GENRES) == genre).mean() > 0.9  # a third at random


def test_without_history_popular_items_come_first() -> None:
    random = np.random.default_rng(1)
    share = np.linspace(0.05, 0.95, N_ITEMS)
    rows = [(user, item, 0) for user in range(200) for item in np.flatnonzero(random.random(N_ITEMS) < share)]
    history = log(rows, N_ITEMS)
    data = history.training(history.encoder())
    allowed = np.ones((1, N_ITEMS), dtype=bool)
    ours, plain = (
        found.score(viewers([]), allowed)[0]
        for found in (BprMf.fit(data, FitContext()), Popularity.fit(data, FitContext()))
    )
    assert np.corrcoef(ours.argsort().argsort(), plain.argsort().argsort())[0, 1] > 0.9


def test_the_loss_is_that_of_the_paper_over_negatives_that_the_user_did_not_choose(data: TrainingData) -> None:
    torch.manual_seed(0)
    module = BprModule(N_USERS, N_ITEMS, 4)
    torch.nn.init.normal_(module.bias)
    loss = PairwiseLoss(module, data, Config(negatives=3))
    rows = torch.arange(0, len(data.item), 7)
    found = loss(TrainingBatch(0, rows, slice(0, len(rows)), torch.Generator().manual_seed(0)))
    drawn, _ = loss.sampler.draw(loss.user[rows], 3, torch.Generator().manual_seed(0))
    users, items, biases = module.user.weight, module.item.weight, module.bias
    chosen = set(zip(data.user.tolist(), data.item.tolist(), strict=True))
    expected, counted = 0.0, 0
    for row, others in zip(rows.tolist(), drawn.tolist(), strict=True):
        user, item = int(data.user[row]), int(data.item[row])
        for other in others:
            if (user, other) not in chosen:
                distance = users[user] @ (items[item] - items[other]) + biases[item] - biases[other]
                expected -= torch.log(torch.sigmoid(distance)).item()
                counted += 1
    assert counted == 3 * len(rows), "an item that the user chose is drawn again"
    assert float(found) == pytest.approx(expected / (3 * len(rows)), rel=1e-5)


def test_shares_of_a_batch_add_up_to_its_loss(data: TrainingData) -> None:
    torch.manual_seed(0)
    loss = PairwiseLoss(BprModule(N_USERS, N_ITEMS, 4), data, Config())
    rows = torch.arange(0, len(data.item), 5)

    def of(share: slice) -> float:
        return float(loss(TrainingBatch(0, rows, share, torch.Generator().manual_seed(0))))

    assert of(slice(0, 20)) + of(slice(20, len(rows))) == pytest.approx(of(slice(0, len(rows))), rel=1e-5)


def test_histories_are_mapped_to_user_vectors_by_ridge_regression() -> None:
    random = np.random.default_rng(0)
    histories, planted = (random.normal(size=shape).astype(np.float32) for shape in ((50, 5), (5, 4)))
    np.testing.assert_allclose(ridge_regression(histories, histories @ planted, 1e-9), planted, atol=1e-4)
    shrunk = np.linalg.norm(ridge_regression(histories, histories @ planted, 10.0))
    assert shrunk < 0.5 * np.linalg.norm(planted)


def test_the_best_epoch_is_the_last_one_of_a_refit(data: TrainingData) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.2, 0.2])
    epochs: list[Epoch] = []
    options = {**OPTIONS, "patience": 2}
    searched = BprMf.fit(data, FitContext(validate=lambda _: next(scores), on_epoch=epochs.append, options=options))
    assert len(epochs) == 4
    assert searched.refit_options()["stop_after"] == 2
    epochs.clear()
    BprMf.fit(data, FitContext(on_epoch=epochs.append, options=searched.refit_options()))
    assert len(epochs) == 2


def test_newer_items_count_more_unless_the_data_have_no_time(data: TrainingData) -> None:
    options = {**OPTIONS, "recency_power": 1.0, "epochs": 1}
    timeless = replace(data, timestamp=np.full_like(data.timestamp, 86_400))
    users = viewers([0, 1], [1, 0])
    timed, untimed = (
        BprMf.fit(found, FitContext(options=options)).score(users, users.unseen(N_ITEMS)) for found in (data, timeless)
    )
    assert not np.allclose(timed[0], timed[1])
    np.testing.assert_allclose(untimed[0], untimed[1], rtol=1e-5)


def test_an_empty_training_part_is_refused(data: TrainingData) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(UserError, match="nothing for bpr_mf to learn from"):
        BprMf.fit(replace(data, user=nothing, item=nothing), FitContext())
