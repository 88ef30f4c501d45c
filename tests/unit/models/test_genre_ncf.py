from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from histories import GENRES, Log, log, new_users, of_one_genre, random_log

from recstack import columns as c
from recstack.errors import UserError
from recstack.features.batches import UserBatch
from recstack.features.encode import Encoder, empty_rows
from recstack.features.item_genres import ItemGenres
from recstack.models.base import FitContext
from recstack.models.genre_ncf.model import GenreNCF, SampledLoss
from recstack.models.genre_ncf.network import Config, GenreNCFModule
from recstack.models.learning.loop import TrainingBatch
from recstack.models.training_data import TrainingData

N_GENRES = len(GENRES)
SURE = {"dropout": 0.0, "history_dropout": 0.0, "id_dropout": 0.0}


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


def best(model: GenreNCF, data: TrainingData, users: UserBatch, k: int) -> np.ndarray:
    return model.best(users, users.unseen(len(data.items)), k)[0]


def parameters(model: GenreNCF) -> list[float]:
    return torch.nn.utils.parameters_to_vector(model.module.parameters()).tolist()


@pytest.fixture(scope="module")
def tastes() -> Log:
    """Items 90, 91 and 92, one of each genre, are in no history."""
    return replace(of_one_genre(), n_items=93)


@pytest.fixture(scope="module")
def tasteful(tastes: Log) -> tuple[TrainingData, GenreNCF]:
    data = training(tastes)
    return data, GenreNCF.fit(data, FitContext(options={"epochs": 12, "batch_size": 64, "candidates": 10}))


@pytest.fixture(scope="module")
def small() -> TrainingData:
    return training(random_log())


@pytest.mark.parametrize("genre", range(N_GENRES))
def test_a_new_user_with_three_liked_items_of_a_genre_gets_that_genre(
    tastes: Log, tasteful: tuple[TrainingData, GenreNCF], genre: int
) -> None:
    data, model = tasteful
    liked = np.random.default_rng(genre).choice(30, (20, 3)) * N_GENRES + genre
    top = best(model, data, new_users(tastes, data, [list(set(row)) for row in liked.tolist()]), 10)
    catalogue_share = data.items.genres[:, genre].mean()
    assert data.items.genres[top, genre].mean() >= 2 * catalogue_share
    assert catalogue_share == pytest.approx(1 / 3)


def test_an_item_that_nobody_has_chosen_is_scored_by_its_genres(
    tastes: Log, tasteful: tuple[TrainingData, GenreNCF]
) -> None:
    data, model = tasteful
    users = new_users(tastes, data, [[0, 3, 6], [1, 4, 7], [2, 5, 8]])
    new = model.score(users, users.unseen(len(data.items)))[:, 90:]
    assert np.isfinite(new).all()
    assert new.argmax(axis=1).tolist() == [0, 1, 2]


def test_what_follows_an_item_is_learned() -> None:
    random = np.random.default_rng(1)
    rows = [
        (user, int(start + step) % 30, step)
        for user, start in enumerate(random.integers(0, 30, 120))
        for step in range(8)
    ]
    walk = log(rows, 30)
    data = training(walk)
    model = GenreNCF.fit(data, FitContext(options={"epochs": 25, "batch_size": 64, "learning_rate": 5e-3}))
    users = new_users(walk, data, [[(last - 2) % 30, (last - 1) % 30, last] for last in range(30)])
    following = (np.arange(30) + 1) % 30
    assert (best(model, data, users, 3) == following[:, None]).any(axis=1).mean() >= 0.9


def test_a_user_without_history_gets_finite_scores_of_the_right_shape(small: TrainingData) -> None:
    model = GenreNCF.fit(small, FitContext(options={"epochs": 1}))
    nobody = small.encoder.users(empty_rows(2), np.zeros(2, dtype=np.int64))
    scores = model.score(nobody, nobody.unseen(len(small.items)))
    assert scores.shape == (2, len(small.items))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-5)


def test_the_genre_prior_is_large_for_short_histories_and_vanishes_as_they_grow(small: TrainingData) -> None:
    learned = GenreNCF.fit(small, FitContext(options={"epochs": 1, "genre_prior": 0.0}))
    torch.nn.init.zeros_(learned.module.ranker.weight)
    module = GenreNCFModule(
        learned.module.config.model_copy(update={"genre_prior": 5.0}),
        N_GENRES,
        small.users.scalars.shape[1],
        small.items,
        np.ones(len(small.items), dtype=bool),
    )
    module.load_state_dict(learned.module.state_dict())
    pure = np.eye(N_GENRES, dtype=np.float32)[:1]
    known = (0, 3, 20)
    added = {}
    for n in known:
        users = replace(
            small.users[100:101], genres=pure, seen=np.arange(n), seen_offsets=np.array([0, n], dtype=np.int64)
        )
        allowed = np.ones((1, len(small.items)), dtype=bool)
        added[n] = GenreNCF(module).score(users, allowed)[0] - learned.score(users, allowed)[0]
    of_genre = small.items.genres[:, 0] > 0
    top = {n: float(added[n][of_genre].max() - added[n][~of_genre].min()) for n in known}
    assert top[0] == pytest.approx(5.0, abs=1e-3)
    assert top[3] == pytest.approx(5.0 * np.exp(-3 / 5), abs=1e-3)
    assert top[20] < 0.1


class WithoutGenres(Log):
    @property
    def genres(self) -> ItemGenres:
        return ItemGenres(np.arange(self.n_items), np.zeros(self.n_items + 1, int), np.zeros(0, int), 0)

    def items(self) -> pa.Table:
        items = super().items()
        column, none = items.schema.get_field_index(c.GENRE_INDICES), [[] for _ in range(self.n_items)]
        return items.set_column(column, items.schema.field(column), pa.array(none, items.schema.field(column).type))

    def encoder(self) -> Encoder:
        return replace(super().encoder(), genres=())


def test_a_catalogue_without_genres_is_no_error() -> None:
    data = training(WithoutGenres(**vars(random_log())))
    assert data.items.genres.shape == (45, 0)
    model = GenreNCF.fit(data, FitContext(options={"epochs": 2}))
    users = data.users[50:60]
    assert np.isfinite(model.score(users, np.ones((10, len(data.items)), dtype=bool))).all()


def test_one_interaction_of_one_user_is_enough_to_answer() -> None:
    data = training(log([(0, 3, 1)], n_items=5))
    model = GenreNCF.fit(data, FitContext())
    scores = model.score(data.users, data.users.unseen(5))
    assert np.isfinite(scores).all()
    assert np.isfinite(parameters(model)).all()


def test_no_eligible_row_is_an_error_that_names_the_model(small: TrainingData) -> None:
    nobody = replace(small, eligible=np.zeros(len(small.item), dtype=bool))
    with pytest.raises(UserError, match="training filter admits none of the users"):
        GenreNCF.fit(nobody, FitContext())


def test_users_that_the_filter_leaves_out_are_not_learned_from(small: TrainingData) -> None:
    data = replace(small, eligible=small.user % 2 == 0)
    scalars = np.where(data.eligible[:, None], small.users.scalars, 9.0).astype(np.float32)
    other = replace(data, users=replace(data.users, scalars=scalars))
    assert parameters(GenreNCF.fit(other, FitContext(options={"epochs": 2}))) == parameters(
        GenreNCF.fit(data, FitContext(options={"epochs": 2}))
    )
    everyone = replace(other, eligible=small.eligible)
    assert parameters(GenreNCF.fit(everyone, FitContext(options={"epochs": 2}))) != parameters(
        GenreNCF.fit(small, FitContext(options={"epochs": 2}))
    )


def test_popularity_is_learned_as_of_each_row_and_not_as_of_the_end(small: TrainingData) -> None:
    later = replace(small, items=replace(small.items, popularity=small.items.popularity + 3))
    earlier = replace(small, popularity=small.popularity[:, ::-1].copy())
    plain = parameters(GenreNCF.fit(small, FitContext(options={"epochs": 1})))
    assert parameters(GenreNCF.fit(later, FitContext(options={"epochs": 1}))) == plain
    assert parameters(GenreNCF.fit(earlier, FitContext(options={"epochs": 1}))) != plain


def test_a_loaded_model_keeps_its_weights_and_sees_the_catalogue_as_it_is_now(
    small: TrainingData, tmp_path: Path
) -> None:
    model = GenreNCF.fit(small, FitContext(options={"epochs": 2, "heads": 2}))
    model.save(tmp_path)
    now = replace(small.items, popularity=small.items.popularity[::-1].copy())
    loaded = GenreNCF.load(tmp_path, small.encoder, now)
    assert parameters(loaded) == parameters(model)
    assert loaded.refit_options() == model.refit_options()
    users, allowed = small.users[100:110], np.ones((10, len(small.items)), dtype=bool)
    assert (loaded.score(users, allowed) != model.score(users, allowed)).any()
    np.testing.assert_array_equal(loaded.module.popularity.cpu(), now.popularity)


def test_the_refit_ends_after_the_best_epoch_on_the_same_course(small: TrainingData) -> None:
    values = iter([0.1, 0.3, 0.2, 0.2, 0.2])
    searched = GenreNCF.fit(small, FitContext(validate=lambda model: next(values), options={"epochs": 9}))
    options = searched.refit_options()
    assert options == {**Config(epochs=9).model_dump(), "stop_after": 2}
    assert parameters(GenreNCF.fit(small, FitContext(options=options))) == parameters(searched)


def test_validation_sees_the_model_of_each_epoch(small: TrainingData) -> None:
    users, allowed = small.users[100:101], np.ones((1, len(small.items)), dtype=bool)
    seen: list[list[float]] = []

    def validate(model: GenreNCF) -> float:
        seen.append(model.score(users, allowed)[0].tolist())
        return float(len(seen))

    model = GenreNCF.fit(small, FitContext(validate=validate, options={"epochs": 3}))
    assert len({tuple(scores) for scores in seen}) == 3
    assert model.score(users, allowed)[0].tolist() == seen[-1]


def test_a_stopped_fit_goes_on_as_if_it_had_not_been(small: TrainingData, tmp_path: Path) -> None:
    unbroken = GenreNCF.fit(small, FitContext(options={"epochs": 4}))
    GenreNCF.fit(small, FitContext(options={"epochs": 4, "stop_after": 2}, checkpoint=tmp_path / "fit.pt"))
    resumed = GenreNCF.fit(small, FitContext(options={"epochs": 4}, checkpoint=tmp_path / "fit.pt"))
    assert parameters(resumed) == parameters(unbroken)


@pytest.mark.parametrize("bounds", [(0, 5, 17), (0, 0, 17), (0, 4, 9, 13, 17)])
def test_losses_and_gradients_of_shares_add_up_to_those_of_the_batch(
    small: TrainingData, bounds: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    trained = np.ones(len(small.items), dtype=bool)
    config = Config(**SURE, batch_size=17)
    module = GenreNCFModule(config, N_GENRES, small.users.scalars.shape[1], small.items, trained)
    for parameter in module.parameters():  # zeros would hide the ranker
        torch.nn.init.normal_(parameter, std=0.3)
    loss = SampledLoss(module, small, np.arange(len(small.item)))
    rows = torch.randperm(len(small.item))[:17]

    def total(shares: list[slice]) -> tuple[float, torch.Tensor]:
        module.zero_grad()
        values = [loss(TrainingBatch(0, rows, share, torch.Generator().manual_seed(3))) for share in shares]
        torch.stack(values).sum().backward()
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in module.parameters()]
        return float(sum(value.item() for value in values)), torch.nn.utils.parameters_to_vector(gradients)

    whole, gradient = total([slice(0, 17)])
    parts, summed = total([slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)])
    assert parts == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_learns_the_same_tastes(tastes: Log, tmp_path: Path) -> None:
    data = training(tastes)
    model = GenreNCF.fit(data, FitContext(options={"epochs": 12, "batch_size": 64}, checkpoint=tmp_path / "fit.pt"))
    assert model.module.content.is_cuda
    top = best(model, data, new_users(tastes, data, [[0, 3, 6], [1, 4, 7], [2, 5, 8]]), 10)
    assert all(data.items.genres[top[genre], genre].mean() >= 2 / 3 for genre in range(N_GENRES))
