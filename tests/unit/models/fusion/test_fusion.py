from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories import DAY, GENRES, Log, log, random_log

from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.features.request_time import History, user_rows
from recstack.models.base import Epoch, FitContext
from recstack.models.fusion.inputs import NAMES, Limits
from recstack.models.fusion.model import Fusion
from recstack.models.fusion.stacking import StackingBlock, blocks, inputs_before, ranker_examples
from recstack.models.learning.top_k import top_k
from recstack.models.training_data import TrainingData

QUICK = {"blocks": 2, "epochs": 2}
LIMITS = Limits(neighbours=1000, interactions=10**6, older=1000)


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


def untimed(data: TrainingData) -> TrainingData:
    return replace(data, timestamp=np.full(len(data.item), DAY))


def new_users(history: Log, data: TrainingData, liked: Sequence[Sequence[int]]) -> UserBatch:
    """Users that training never saw, who like these items; the last one is the newest."""
    now = int(history.time.max())
    rows = user_rows([History(items, [5.0] * len(items)) for items in liked], history.genres, now)
    return data.encoder.users(rows, np.full(len(liked), now))


def best(model: Fusion, data: TrainingData, users: UserBatch, k: int) -> np.ndarray:
    return top_k(model.score(users, users.unseen(len(data.items))), k)


@pytest.fixture(scope="module")
def small() -> TrainingData:
    return training(random_log())


@pytest.fixture(scope="module")
def fused(small: TrainingData) -> Fusion:
    return Fusion.fit(small, FitContext(options={**QUICK, "candidates": 10}))


def test_sources_of_a_block_know_only_what_happened_before_its_rows(small: TrainingData) -> None:
    found = list(blocks(small, 3, 5, 10**6, np.random.default_rng(0)))
    assert len(found) == 3
    for block in found:
        assert len(block.targets)
        assert small.timestamp[block.known].max() < small.timestamp[block.targets].min()
        assert np.bincount(small.user[block.targets]).max() <= 5
    targets = np.concatenate([block.targets for block in found])
    assert len(np.unique(targets)) == len(targets)


def test_without_time_no_target_is_known(small: TrainingData) -> None:
    (block,) = blocks(untimed(small), 3, 5, 10**6, np.random.default_rng(0))
    assert len(block.targets)
    assert not block.known[block.targets].any()


def test_the_scores_of_a_row_do_not_depend_on_it_or_on_what_follows(small: TrainingData) -> None:
    block = next(blocks(small, 2, 5, 10**6, np.random.default_rng(0)))
    item, rating = small.item.copy(), small.rating.copy()
    item[~block.known], rating[~block.known] = 7, 1.0
    other = replace(small, item=item, rating=rating)
    users, allowed = small.users[100:140], np.ones((40, len(small.items)), dtype=bool)
    ours, theirs = (inputs_before(data, block.known, LIMITS).table(users, allowed, 45) for data in (small, other))
    np.testing.assert_array_equal(ours.inputs, theirs.inputs)


def test_a_planted_leak_is_seen(small: TrainingData) -> None:
    """Sources that know the targets score them far better: the test above would not miss that."""
    honest = next(blocks(small, 2, 5, 10**6, np.random.default_rng(0)))
    leaking = StackingBlock(np.ones(len(small.item), dtype=bool), honest.targets)
    column = NAMES.index("cosine")
    gain = {}
    for name, block in (("honest", honest), ("leaking", leaking)):
        (examples,) = ranker_examples(small, block, 45, 44, LIMITS, np.random.default_rng(0))
        scores = np.where(examples.alive, examples.inputs[:, :, column], -1.0)
        gain[name] = (scores[:, :1] >= scores).mean()
    assert gain["leaking"] > gain["honest"] + 0.03


def test_popularity_of_a_block_is_that_of_its_beginning(small: TrainingData) -> None:
    half = small.timestamp < np.median(small.timestamp)
    dated = replace(
        small,
        popularity=np.stack([small.items.popularity * 0, small.items.popularity]),
        snapshot=(~half).astype(np.int64),
    )
    assert not inputs_before(dated, half, LIMITS).items.popularity.any()
    everything = np.ones(len(half), dtype=bool)
    np.testing.assert_array_equal(inputs_before(dated, everything, LIMITS).items.popularity, small.items.popularity)


def test_the_chosen_item_stands_first_among_others_that_were_not_chosen(small: TrainingData) -> None:
    block = next(blocks(small, 2, 5, 10**6, np.random.default_rng(0)))
    (examples,) = ranker_examples(small, block, 45, 6, LIMITS, np.random.default_rng(0))
    assert examples.inputs.shape[1] == 7
    assert examples.alive[:, 0].all()
    assert examples.weight.mean() == pytest.approx(1.0, rel=1e-5)
    assert (np.abs(examples.inputs[:, 1:] - examples.inputs[:, :1]).max(axis=2) > 0)[examples.alive[:, 1:]].all()


def test_what_follows_an_item_is_learned() -> None:
    random = np.random.default_rng(1)
    rows = [
        (user, int(start + step) % 30, step + user % 40)
        for user, start in enumerate(random.integers(0, 30, 120))
        for step in range(8)
    ]
    walk = log(rows, 30)
    data = training(walk)
    model = Fusion.fit(data, FitContext(options={"blocks": 2, "epochs": 12}))
    users = new_users(walk, data, [[(last - 2) % 30, (last - 1) % 30, last] for last in range(30)])
    assert (best(model, data, users, 1)[:, 0] == (np.arange(30) + 1) % 30).mean() >= 0.9


@pytest.mark.parametrize("genre", range(len(GENRES)))
def test_a_new_user_with_three_liked_items_of_a_genre_gets_that_genre(
    small: TrainingData, fused: Fusion, genre: int
) -> None:
    liked = np.random.default_rng(genre).choice(15, (20, 3)) * len(GENRES) + genre
    users = new_users(random_log(), small, [sorted(set(row)) for row in liked.tolist()])
    share = small.items.genres[best(fused, small, users, 10), genre].mean()
    assert share >= 2 * small.items.genres[:, genre].mean()


def test_candidates_stand_above_all_others_which_are_in_order_of_popularity(small: TrainingData, fused: Fusion) -> None:
    users, allowed = small.users[100:140], np.ones((40, len(small.items)), dtype=bool)
    scores = fused.score(users, allowed)
    table = fused.inputs.table(users, allowed, 10, fused.genre_prior(users))
    order = np.argsort(-scores, axis=1, kind="stable")
    np.testing.assert_array_equal(np.sort(order[:, :10]), table.candidates)
    popularity = fused.inputs.retrieval.popularity[order[:, 10:]]
    assert (np.diff(popularity, axis=1) <= 0).all()


def test_more_targets_than_wanted_are_drawn(small: TrainingData) -> None:
    found = list(blocks(small, 2, 5, 20, np.random.default_rng(0)))
    assert [len(block.targets) for block in found] == [10, 10]


@pytest.mark.parametrize("n_allowed", [1, 4])
def test_fewer_allowed_items_than_candidates_are_all_ranked_and_nothing_else(
    small: TrainingData, fused: Fusion, n_allowed: int
) -> None:
    allowed = np.zeros((10, len(small.items)), dtype=bool)
    allowed[:, 20 : 20 + n_allowed] = True
    scores = fused.score(small.users[100:110], allowed)
    assert np.isfinite(scores[allowed]).all()
    assert (scores[~allowed] == -np.inf).all()


def test_a_users_scores_do_not_depend_on_what_is_allowed_to_others(small: TrainingData, fused: Fusion) -> None:
    users, allowed = small.users[100:102], np.ones((2, len(small.items)), dtype=bool)
    alone = fused.score(users, allowed)
    allowed[1] = False
    np.testing.assert_array_equal(fused.score(users, allowed)[0], alone[0])


def test_a_loaded_model_sees_the_catalogue_as_it_is_now(small: TrainingData, fused: Fusion, tmp_path: Path) -> None:
    fused.save(tmp_path)
    users, allowed = small.users[100:110], np.ones((10, len(small.items)), dtype=bool)
    now = replace(small.items, popularity=small.items.popularity[::-1].copy())
    same, later = (Fusion.load(tmp_path, small.encoder, items) for items in (small.items, now))
    np.testing.assert_array_equal(same.score(users, allowed), fused.score(users, allowed))
    assert (later.score(users, allowed) != fused.score(users, allowed)).any()
    assert later.config == fused.config


def test_data_without_time_is_learned_from(small: TrainingData) -> None:
    model = Fusion.fit(untimed(small), FitContext(options=QUICK))
    scores = model.score(small.users[100:110], np.ones((10, len(small.items)), dtype=bool))
    assert np.isfinite(scores).all()
    assert model.ranker.out.weight.detach().abs().max() > 0


def test_one_interaction_of_one_user_is_enough_to_answer() -> None:
    data = training(log([(0, 3, 1)], n_items=5))
    model = Fusion.fit(data, FitContext())
    nobody = data.encoder.users(empty_rows(1), np.zeros(1, dtype=np.int64))
    for users in (data.users, nobody):
        assert np.isfinite(model.score(users, np.ones((1, 5), dtype=bool))).all()


def test_each_epoch_of_the_ranker_is_reported(small: TrainingData) -> None:
    epochs: list[Epoch] = []
    Fusion.fit(small, FitContext(on_epoch=epochs.append, options=QUICK))
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert epochs[1].metrics["loss"] < epochs[0].metrics["loss"]


def test_items_that_the_same_users_chose_are_alike(small: TrainingData, fused: Fusion) -> None:
    items = np.arange(len(small.items))
    alike = fused.likeness(items[:4], items)
    assert alike.shape == (4, len(items))
    chosen = np.zeros((small.user.max() + 1, len(items)))
    chosen[small.user, small.item] = 1
    together = chosen.T @ chosen
    for item, row in zip(items[:4], alike, strict=True):
        assert row[item] == 0
        assert np.array_equal(row > 0, (together[item] > 0) & (items != item))
