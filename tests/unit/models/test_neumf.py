from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from histories import GENRES, Log, new_users, of_one_genre, random_log

from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.models.base import FitContext
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.top_k import top_k
from recstack.models.neumf.model import NeuMF, PairLoss
from recstack.models.neumf.network import Config, NeuMFModule
from recstack.models.training_data import TrainingData

FAST = {"epochs": 20, "batch_size": 64, "learning_rate": 1e-2}


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


@pytest.fixture(scope="module")
def tastes() -> Log:
    """Users of one genre each, under ids that are no row numbers; items 90 to 92 are in no history."""
    history = of_one_genre()
    return replace(history, user=1_000 + 7 * history.user, n_items=93)


@pytest.fixture(scope="module")
def tasteful(tastes: Log) -> tuple[TrainingData, NeuMF]:
    data = training(tastes)
    return data, NeuMF.fit(data, FitContext(options=FAST))


def nameless(data: TrainingData, ids: list[int]) -> UserBatch:
    """Nothing is known of these users but their ids."""
    return data.encoder.users(empty_rows(len(ids)), np.zeros(len(ids), dtype=np.int64), ids=np.array(ids))


def share_of_genre(model: NeuMF, data: TrainingData, users: UserBatch, genres: np.ndarray) -> float:
    """Of the ten items recommended first."""
    best = top_k(model.score(users, users.unseen(len(data.items))), 10)
    return float((best % len(GENRES) == genres[:, None]).mean())


def test_each_training_user_has_a_vector_that_only_the_id_selects(
    tasteful: tuple[TrainingData, NeuMF], tastes: Log
) -> None:
    data, model = tasteful
    ids = np.unique(tastes.user)
    assert share_of_genre(model, data, nameless(data, ids.tolist()), np.arange(90) % len(GENRES)) >= 0.9
    known = data.users[100:140]
    blank = nameless(data, known.ids.tolist())
    allowed = np.ones((40, len(data.items)), dtype=bool)
    np.testing.assert_array_equal(model.score(known, allowed), model.score(blank, allowed))


def test_a_new_user_is_folded_in_by_the_history(tasteful: tuple[TrainingData, NeuMF], tastes: Log) -> None:
    data, model = tasteful
    genre = np.arange(30) % len(GENRES)
    liked = [[3 * step + g for step in range(start, start + 5)] for start, g in enumerate(genre.tolist())]
    assert share_of_genre(model, data, new_users(tastes, data, liked), genre) >= 0.9


def test_a_new_user_without_history_is_the_mean_user(tasteful: tuple[TrainingData, NeuMF]) -> None:
    data, model = tasteful
    mean = model.module.user.weight.mean(0, keepdim=True)
    with torch.inference_mode():
        expected = model.module(model.module.project_users(mean[:, None]), model.module.catalogue())
    scores = model.score(nameless(data, [-1]), np.ones((1, 93), dtype=bool))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_items_that_nobody_chose_are_ranked_last(tasteful: tuple[TrainingData, NeuMF], tastes: Log) -> None:
    data, model = tasteful
    scores = model.score(nameless(data, np.unique(tastes.user).tolist()), np.ones((90, 93), dtype=bool))
    assert len(np.unique(scores[0, 90:])) == 1
    best_of_genre = np.sort(scores[:, :90], axis=1)[:, -30:]
    assert (scores[:, 90:91] < best_of_genre).all(axis=1).mean() > 0.95


def test_ids_are_saved_beside_the_weights(tasteful: tuple[TrainingData, NeuMF], tastes: Log, tmp_path: Path) -> None:
    data, model = tasteful
    model.save(tmp_path)
    assert np.load(tmp_path / "user_ids.npy").tolist() == np.unique(tastes.user).tolist()
    loaded = NeuMF.load(tmp_path, data.encoder, data.items)
    users, allowed = nameless(data, np.unique(tastes.user).tolist()), np.ones((90, 93), dtype=bool)
    np.testing.assert_array_equal(loaded.score(users, allowed), model.score(users, allowed))
    assert loaded.refit_options() == model.refit_options()


def test_users_that_the_filter_leaves_out_have_a_vector_too() -> None:
    data = training(random_log())
    filtered = replace(data, eligible=np.zeros(len(data.item), dtype=bool))
    one, other = (NeuMF.fit(each, FitContext(options={"epochs": 1})).module.state_dict() for each in (data, filtered))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_network_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    module = NeuMFModule(Config(factors=2, layers=3), 4, np.ones(5, dtype=bool))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    users, items = module.user.weight[:3], module.item.weight[:5]
    logits = module(module.project_users(users[:, None]), module.project_items(items[None]))
    for u, p in enumerate(users):
        for i, q in enumerate(items):
            first = torch.cat([module.mlp_user.weight, module.mlp_item.weight], 1)
            hidden = torch.relu(first @ torch.cat([p[2:], q[2:]]) + module.mlp_user.bias)
            for layer in (module.mlp[1], module.mlp[3]):
                hidden = torch.relu(layer.weight @ hidden + layer.bias)
            joint = torch.cat([module.gmf.weight[0], module.mlp[5].weight[0]])
            expected = joint @ torch.cat([p[:2] * q[:2], hidden]) + module.mlp[5].bias
            assert logits[u, i].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("count", [1, 9])
def test_few_pairs_and_many_are_scored_as_the_whole_catalogue_is(count: int) -> None:
    torch.manual_seed(0)
    module = NeuMFModule(Config(), 4, np.arange(12) < 10)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    users, items = torch.tensor([3, 0]), torch.randint(12, (2, count))
    everything = module(module.project_users(module.user.weight[users][:, None]), module.catalogue())
    torch.testing.assert_close(module.pairs(users, items), everything.gather(1, items), rtol=1e-4, atol=1e-5)


def test_the_fold_in_is_a_ridge_regression() -> None:
    torch.manual_seed(0)
    module = NeuMFModule(Config(factors=2, layers=2, ridge=0.5), 40, np.ones(30, dtype=bool))
    random = np.random.default_rng(0)
    histories = [random.choice(30, size, replace=False) for size in random.integers(1, 9, 40)]
    offsets = torch.tensor(np.append(0, np.cumsum([len(history) for history in histories])))
    module.learn_fold_in(offsets, torch.tensor(np.concatenate(histories)))
    x = np.stack([module.item.weight[history].mean(0).detach().numpy() for history in histories])
    y = module.user.weight.detach().numpy()
    x, y = x - x.mean(0), y - y.mean(0)
    penalty = 0.5 * np.square(x).sum() / x.shape[1]
    expected = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])) @ x.T @ y
    np.testing.assert_allclose(module.fold_in, expected, rtol=1e-3, atol=1e-5)


def test_the_refit_ends_after_the_best_epoch_on_the_same_course() -> None:
    data = training(random_log())
    values = iter([0.1, 0.3, 0.2, 0.2, 0.2])
    searched = NeuMF.fit(data, FitContext(validate=lambda model: next(values), options={"epochs": 9}))
    options = searched.refit_options()
    assert options == {**Config(epochs=9).model_dump(), "stop_after": 2}
    again = NeuMF.fit(data, FitContext(options=options)).module.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in searched.module.state_dict().items())


def test_losses_and_gradients_of_shares_add_up_to_those_of_the_batch() -> None:
    data = training(random_log())
    torch.manual_seed(0)
    module = NeuMFModule(Config(), 60, np.ones(45, dtype=bool))
    loss = PairLoss(module, torch.from_numpy(data.user), torch.from_numpy(data.item))
    rows = torch.randperm(len(data.item))[:17]

    def total(shares: list[slice]) -> tuple[float, torch.Tensor]:
        module.zero_grad()
        values = [loss(TrainingBatch(0, rows, share, torch.Generator().manual_seed(3))) for share in shares]
        torch.stack(values).sum().backward()
        gradients = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        return float(sum(value.item() for value in values)), gradients

    whole, gradient = total([slice(0, 17)])
    for shares in ([slice(0, 5), slice(5, 17)], [slice(0, 0), slice(0, 17)]):
        parts, summed = total(shares)
        assert parts == pytest.approx(whole, rel=1e-5)
        torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-6)
