import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from histories import GENRES, Log, new_users, of_one_genre, random_log

from recstack.errors import UserError
from recstack.models.base import FitContext
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.top_k import top_k
from recstack.models.learning.towers import Towers
from recstack.models.training_data import TrainingData
from recstack.models.two_tower.model import Config, RetrievalLoss, TwoTower

KINDS = ["in-batch", "sampled"]


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


@pytest.fixture(scope="module")
def small() -> TrainingData:
    """Two snapshots of popularity, so that a row's own has to be taken."""
    data = training(random_log())
    two = np.stack([data.popularity[0], data.popularity[0][::-1] + 1])
    return replace(data, popularity=two, snapshot=np.arange(len(data.item)) % 2)


def loud_loss(data: TrainingData, kind: str) -> RetrievalLoss:
    """Without dropout, and with weights large enough that each part of a score counts."""
    config = Config(negatives=kind, draws=2)
    torch.manual_seed(0)
    module = Towers(config, len(GENRES), data.users.scalars.shape[1], data.items, np.ones(len(data.items), dtype=bool))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return RetrievalLoss(module.eval(), data, np.arange(len(data.item)))


def pair_scores(loss: RetrievalLoss, data: TrainingData, rows: torch.Tensor) -> torch.Tensor:
    """[B, I] scores of the rows' users, each with the popularity at its own timestamp."""
    user = loss.module.users(*(feature[rows] for feature in loss.features))
    vectors, bias = loss.module.items(torch.arange(len(data.items)))
    popularity = torch.from_numpy(data.popularity)[torch.from_numpy(data.snapshot)[rows]]
    return user @ vectors.T + bias + popularity @ loss.module.popularity_weight


def test_in_batch_negatives_are_corrected_by_log_q(small: TrainingData) -> None:
    """s(x_i, y_j) - log p_j over the items j of the batch (Yi et al. 2019), less known positives of row i's user."""
    loss = loud_loss(small, "in-batch")
    rows = torch.randperm(len(small.item), generator=torch.Generator().manual_seed(2))[:60]
    scores = pair_scores(loss, small, rows)
    counts = np.bincount(small.item, minlength=len(small.items))
    share = counts / counts.sum()
    items = small.item[rows.numpy()].tolist()
    assert len(set(items)) < len(items)  # some item is there twice, and has to count twice
    expected = 0.0
    for i, row in enumerate(rows.tolist()):
        known = set(small.item[small.user == small.user[row]].tolist())
        corrected = [scores[i, j].item() - math.log(share[j]) for j in items]
        others = [math.exp(s) for s, j in zip(corrected, items, strict=True) if j not in known]
        expected -= math.log(math.exp(corrected[i]) / (math.exp(corrected[i]) + sum(others)))
    found = loss(TrainingBatch(0, rows, slice(0, 60), torch.Generator()))
    assert found.item() == pytest.approx(expected / 60, rel=1e-4)


def test_sampled_negatives_are_the_shared_draw_corrected_by_its_inclusion(small: TrainingData) -> None:
    loss = loud_loss(small, "sampled")
    rows = torch.arange(40)
    scores = pair_scores(loss, small, rows)
    items, inclusion = loss.sampler.draw(80, torch.Generator().manual_seed(5))
    expected = 0.0
    for i in rows.tolist():
        known = set(small.item[small.user == small.user[i]].tolist())
        others = [
            math.exp(scores[i, j].item() - log)
            for j, log in zip(items.tolist(), inclusion.tolist(), strict=True)
            if j not in known
        ]
        right = math.exp(scores[i, small.item[i]].item())
        expected -= math.log(right / (right + sum(others)))
    found = loss(TrainingBatch(0, rows, slice(0, 40), torch.Generator().manual_seed(5)))
    assert found.item() == pytest.approx(expected / 40, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_positive_is_never_a_negative(small: TrainingData, kind: str) -> None:
    """The rows of one user push no item of that user down, however many of them are in the batch."""
    loss = loud_loss(small, kind)
    rows = torch.from_numpy(np.flatnonzero(small.user == small.user[0]))
    loss(TrainingBatch(0, rows, slice(0, 1), torch.Generator().manual_seed(1))).backward()
    gradient = loss.module.item_bias.weight.grad
    assert gradient is not None
    others = small.item[small.user == small.user[0]][1:]
    assert not gradient[others].any()
    assert (gradient[small.item[0]] < 0) == (kind == "sampled")  # in the batch there is nothing but known positives


@pytest.mark.parametrize("kind", KINDS)
def test_new_users_get_the_genre_that_they_like(kind: str) -> None:
    tastes = of_one_genre()
    data = training(tastes)
    model = TwoTower.fit(data, FitContext(options={"epochs": 12, "batch_size": 64, "negatives": kind}))
    for genre in range(len(GENRES)):
        liked = np.random.default_rng(genre).choice(30, (20, 3)) * len(GENRES) + genre
        users = new_users(tastes, data, [list(set(row)) for row in liked.tolist()])
        top = top_k(model.score(users, users.unseen(len(data.items))), 10)
        assert data.items.genres[top, genre].mean() >= 2 / 3


def test_scores_are_a_dot_product_of_user_and_item_vectors_plus_an_offset(small: TrainingData) -> None:
    model = TwoTower.fit(small, FitContext(options={"epochs": 1}))
    users, allowed = small.users[100:140], np.ones((40, len(small.items)), dtype=bool)
    scores = model.score(users, allowed)
    user = model.module.encode(users).detach().numpy()
    offset = scores - user @ model.item_vectors.T
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:1], offset.shape), atol=1e-4)


def test_an_unknown_kind_of_negatives_is_an_error_that_names_the_known(small: TrainingData) -> None:
    with pytest.raises(
        UserError, match="option negatives of two_tower can't be 'hard': Input should be 'in-batch' or 'sampled'"
    ):
        TwoTower.fit(small, FitContext(options={"negatives": "hard"}))


def test_no_eligible_row_is_an_error_that_names_the_model(small: TrainingData) -> None:
    with pytest.raises(UserError, match="nothing for two_tower to learn from"):
        TwoTower.fit(replace(small, eligible=np.zeros(len(small.item), dtype=bool)), FitContext())


def test_the_refit_ends_after_the_best_epoch_on_the_same_course(small: TrainingData) -> None:
    values = iter([0.1, 0.3, 0.2, 0.2, 0.2])
    searched = TwoTower.fit(small, FitContext(validate=lambda model: next(values), options={"epochs": 9}))
    options = searched.refit_options()
    assert options == {**Config(epochs=9).model_dump(), "stop_after": 2}
    again = TwoTower.fit(small, FitContext(options=options)).module.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in searched.module.state_dict().items())


def test_validation_sees_the_model_of_each_epoch(small: TrainingData) -> None:
    users, allowed = small.users[100:101], np.ones((1, len(small.items)), dtype=bool)
    seen: list[list[float]] = []

    def validate(model: TwoTower) -> float:
        seen.append(model.score(users, allowed)[0].tolist())
        return float(len(seen))

    TwoTower.fit(small, FitContext(validate=validate, options={"epochs": 3}))
    assert len({tuple(scores) for scores in seen}) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bounds", [(0, 5, 17), (0, 0, 17)])
def test_losses_and_gradients_of_shares_add_up_to_those_of_the_batch(
    small: TrainingData, kind: str, bounds: tuple[int, ...]
) -> None:
    loss = loud_loss(small, kind)
    rows = torch.randperm(len(small.item))[:17]

    def total(shares: list[slice]) -> tuple[float, torch.Tensor]:
        loss.module.zero_grad()
        values = [loss(TrainingBatch(0, rows, share, torch.Generator().manual_seed(3))) for share in shares]
        torch.stack(values).sum().backward()
        gradients = torch.cat([p.grad.flatten() for p in loss.module.parameters() if p.grad is not None])
        return float(sum(value.item() for value in values)), gradients

    whole, gradient = total([slice(0, 17)])
    parts, summed = total([slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)])
    assert parts == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-5)
