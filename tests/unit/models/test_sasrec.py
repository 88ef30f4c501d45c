import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from histories import Log, log, new_users, random_log

from recstack.errors import UserError
from recstack.models.base import FitContext
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.top_k import top_k
from recstack.models.learning.windows import windows
from recstack.models.sasrec.model import NextItemLoss, SASRec
from recstack.models.sasrec.network import Config, SASRecModule
from recstack.models.training_data import TrainingData


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


@pytest.fixture(scope="module")
def small() -> TrainingData:
    return training(random_log())


def loud_loss(data: TrainingData, length: int = 50) -> NextItemLoss:
    """Without dropout, and with weights large enough that each part of a score counts."""
    torch.manual_seed(0)
    counts = np.bincount(data.item, minlength=len(data.items))
    module = SASRecModule(Config(dimension=16, recent=length, negatives=60), data.items, counts)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    cut = windows(data, np.arange(len(data.item)), counts > 0, length, np.random.default_rng(0))
    return NextItemLoss(module.eval(), data, cut)


def test_what_follows_an_item_is_learned() -> None:
    random = np.random.default_rng(1)
    rows = [
        (user, int(start + step) % 30, step)
        for user, start in enumerate(random.integers(0, 30, 120))
        for step in range(8)
    ]
    walk = log(rows, 30)
    data = training(walk)
    model = SASRec.fit(data, FitContext(options={"epochs": 25, "batch_size": 16, "learning_rate": 5e-3}))
    users = new_users(walk, data, [[(last - 2) % 30, (last - 1) % 30, last] for last in range(30)])
    following = (np.arange(30) + 1) % 30
    top = top_k(model.score(users, users.unseen(30)), 1)[:, 0]
    assert (top == following).mean() >= 0.9


def test_the_order_of_a_history_matters(small: TrainingData) -> None:
    history = random_log()
    model = SASRec.fit(small, FitContext(options={"epochs": 2}))
    one, other = (
        model.score(users, np.ones((1, 45), dtype=bool))
        for users in (new_users(history, small, [[3, 6, 9]]), new_users(history, small, [[9, 6, 3]]))
    )
    assert np.abs(one - other).max() > 1e-3


def test_a_state_depends_only_on_its_own_item_and_earlier_ones() -> None:
    torch.manual_seed(0)
    data = training(random_log())
    module = loud_loss(data).module
    items, ratings = torch.randint(0, 45, (4, 20)), torch.randn(4, 20)
    before = module(items, ratings)
    items[:, 12], ratings[:, 12] = 44 - items[:, 12], -ratings[:, 12]
    changed = (module(items, ratings) - before).abs().amax(-1) > 1e-6
    assert not changed[:, :13].any()  # the state before any item is the first
    assert changed[:, 13:].all()


def test_training_and_serving_make_the_same_scores_of_a_row(small: TrainingData) -> None:
    loss = loud_loss(small)
    window = torch.repeat_interleave(loss.offsets.diff())
    states = loss.module(loss.items, loss.ratings)[window, loss.lengths]
    trained = states @ loss.module.item_embedding.weight.T + loss.module.offset()
    served = SASRec(loss.module).score(small.users, np.ones((len(small.item), 45), dtype=bool))
    np.testing.assert_allclose(trained.detach(), served[loss.rows.numpy()], rtol=1e-3, atol=1e-4)


def test_the_loss_is_a_softmax_over_the_shared_draw_without_the_users_known_positives(small: TrainingData) -> None:
    """Computed row by row, with the popularity at each row's own timestamp."""
    two = np.stack([small.popularity[0], small.popularity[0][::-1] + 1])
    data = replace(small, popularity=two, snapshot=np.arange(len(small.item)) % 2)
    loss = loud_loss(data)
    module = loss.module
    chosen = torch.tensor([3, 17, 8])
    items, inclusion = loss.sampler.draw(60, torch.Generator().manual_seed(5))
    expected, count = 0.0, 0
    for window in chosen.tolist():
        states = module(loss.items[[window]], loss.ratings[[window]])[0]
        for member in range(int(loss.offsets[window]), int(loss.offsets[window + 1])):
            row = int(loss.rows[member])
            popularity = torch.from_numpy(two[data.snapshot[row]])
            scores = states[loss.lengths[member]] @ module.item_embedding.weight.T
            scores = scores + module.item_bias + popularity @ module.popularity_weight
            known = set(data.item[data.user == data.user[row]].tolist())
            others = [
                math.exp(scores[j].item() - log_inclusion)
                for j, log_inclusion in zip(items.tolist(), inclusion.tolist(), strict=True)
                if j not in known
            ]
            right = math.exp(scores[data.item[row]].item())
            expected -= math.log(right / (right + sum(others)))
            count += 1
    found = loss(TrainingBatch(0, chosen, slice(0, 3), torch.Generator().manual_seed(5)))
    assert found.item() == pytest.approx(expected / count, rel=1e-4)


@pytest.mark.parametrize("bounds", [(0, 4, 9), (0, 0, 9)])
def test_losses_and_gradients_of_shares_add_up_to_those_of_the_batch(
    small: TrainingData, bounds: tuple[int, ...]
) -> None:
    loss = loud_loss(small, length=10)
    some = torch.randperm(len(loss.items))[:9]

    def total(shares: list[slice]) -> tuple[float, torch.Tensor]:
        loss.module.zero_grad()
        values = [loss(TrainingBatch(0, some, share, torch.Generator().manual_seed(3))) for share in shares]
        torch.stack(values).sum().backward()
        gradients = torch.cat([p.grad.flatten() for p in loss.module.parameters() if p.grad is not None])
        return float(sum(value.item() for value in values)), gradients

    whole, gradient = total([slice(0, 9)])
    parts, summed = total([slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)])
    assert parts == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-5)


def test_items_that_nobody_chose_are_ranked_last_and_skipped_in_histories() -> None:
    history = replace(random_log(), n_items=48)
    data = training(history)
    model = SASRec.fit(data, FitContext(options={"epochs": 3}))
    with_new, without = (
        model.score(users, np.ones((1, 48), dtype=bool))
        for users in (new_users(history, data, [[3, 46, 6, 47]]), new_users(history, data, [[3, 6]]))
    )
    np.testing.assert_allclose(with_new, without, rtol=1e-5, atol=1e-6)
    trained = np.bincount(data.item, minlength=48) > 0
    assert without[0, ~trained].max() < np.median(without[0, trained])


def test_a_loaded_model_keeps_its_weights_and_sees_popularity_as_it_is_now(small: TrainingData, tmp_path: Path) -> None:
    model = SASRec.fit(small, FitContext(options={"epochs": 2}))
    model.save(tmp_path)
    now = replace(small.items, popularity=small.items.popularity + 3)
    loaded = SASRec.load(tmp_path, small.encoder, now)
    kept, saved = loaded.module.state_dict(), model.module.state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in kept.items() if name != "popularity")
    np.testing.assert_array_equal(kept["popularity"].cpu(), now.popularity)
    assert loaded.refit_options() == model.refit_options()


def test_the_refit_ends_after_the_best_epoch_on_the_same_course(small: TrainingData) -> None:
    values = iter([0.1, 0.3, 0.2, 0.2, 0.2])
    searched = SASRec.fit(small, FitContext(validate=lambda model: next(values), options={"epochs": 9}))
    options = searched.refit_options()
    assert options == {**Config(epochs=9).model_dump(), "stop_after": 2}
    again = SASRec.fit(small, FitContext(options=options)).module.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in searched.module.state_dict().items())


def test_no_eligible_row_is_an_error_that_names_the_model(small: TrainingData) -> None:
    with pytest.raises(UserError, match="nothing for sasrec to learn from"):
        SASRec.fit(replace(small, eligible=np.zeros(len(small.item), dtype=bool)), FitContext())


def test_one_interaction_of_one_user_is_enough_to_answer() -> None:
    data = training(log([(0, 3, 1)], n_items=5))
    scores = SASRec.fit(data, FitContext()).score(data.users, data.users.unseen(5))
    assert np.isfinite(scores).all()
