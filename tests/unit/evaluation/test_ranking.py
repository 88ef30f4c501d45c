from dataclasses import replace

import numpy as np
import pytest
from histories import Log, log, random_log, rankings

from recstack.evaluation.evaluation_set import EvaluationSet, user_means
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import ndcg, rank
from recstack.features.arrays import Floats, Mask
from recstack.features.batches import UserBatch
from recstack.models.base import FitContext
from recstack.models.item_item.model import ItemItem
from recstack.models.popularity.model import Popularity


class FixedScores(Popularity):
    """Gives each item a fixed score."""

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        return np.where(allowed, np.tile(self.counts, (len(users), 1)), np.float32(-np.inf))


def by_day(interactions: Log, first_test_day: int) -> tuple[list[str], np.ndarray]:
    test = interactions.time >= first_test_day * 86_400
    return ["test" if is_test else "train" for is_test in test], test


@pytest.fixture(scope="module")
def history() -> Log:
    return random_log()


@pytest.fixture(scope="module")
def cases(history: Log) -> EvaluationSet:
    split, _ = by_day(history, 45)
    return build_evaluation_set("global-time", history.table(split), history.live(), history.encoder())


@pytest.fixture(scope="module")
def item_item(history: Log) -> ItemItem:
    _, test = by_day(history, 45)
    return ItemItem.fit(history.rows(~test).training(history.encoder()), FitContext())


def test_the_batch_size_does_not_change_the_result(item_item: ItemItem, cases: EvaluationSet) -> None:
    whole, pieces = rank(item_item, cases), rank(item_item, cases, batch_size=7)
    assert whole.coverage == pieces.coverage
    for name, values in whole.values.items():
        np.testing.assert_array_equal(values, pieces.values[name], err_msg=name)


def test_ranks_equal_a_plain_loop_over_users(item_item: ItemItem, cases: EvaluationSet) -> None:
    n_items = len(cases.item_counts)
    reciprocal = []
    for row in range(len(cases)):
        users = cases.users[row : row + 1]
        scores = item_item.score(users, users.unseen(n_items))[0]
        order = sorted(range(n_items), key=lambda item: (-scores[item], item))
        target = cases.relevant[row]
        reciprocal.append(1 / (order.index(target) + 1) if target >= 0 else 0.0)
    np.testing.assert_allclose(rank(item_item, cases).values["mrr"], reciprocal)


def test_users_have_the_same_weight_however_many_rankings_they_have() -> None:
    values, user_ids = np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 9])
    assert user_means(values, user_ids).tolist() == [1.0, 0.0]


def test_ndcg_for_early_stopping_is_the_mean_over_users(item_item: ItemItem, cases: EvaluationSet) -> None:
    values = rank(item_item, cases).values["ndcg@10"]
    by_user = [values[cases.user_ids == user].mean() for user in np.unique(cases.user_ids)]
    assert ndcg(item_item, cases) == pytest.approx(np.mean(by_user))


def test_features_that_contain_their_own_target_are_refused(item_item: ItemItem, cases: EvaluationSet) -> None:
    peeking = cases.users.recent.copy()
    hittable = int(np.flatnonzero(cases.relevant >= 0)[0])
    peeking[hittable, 0] = cases.relevant[hittable]
    leaking = replace(cases, users=replace(cases.users, recent=peeking))
    with pytest.raises(ValueError, match="know the future"):
        rank(item_item, leaking)


def test_live_features_that_look_one_day_ahead_are_refused(history: Log) -> None:
    split, test = by_day(history, 45)
    ahead = replace(history, time=history.time - 86_400)
    cases = build_evaluation_set("global-time", history.table(split), ahead.live(), history.encoder())
    with pytest.raises(ValueError, match="know the future"):
        rank(Popularity.fit(history.rows(~test).training(history.encoder()), FitContext()), cases)


@pytest.mark.parametrize("protocol", ["leave-last-out", "leave-last-out-99"])
def test_features_from_the_test_part_are_refused(history: Log, protocol: str) -> None:
    split = np.array(["train"] * len(history.user), dtype=object)
    split[np.append(np.flatnonzero(np.diff(history.user)), -1)] = "test"
    model = Popularity.fit(history.training(history.encoder()), FitContext())
    assert np.isfinite(rank(model, rankings(protocol, history, split)).values["mrr"]).all()
    peeking = build_evaluation_set(protocol, history.table(split), history.live(), history.encoder())
    with pytest.raises(ValueError, match="know the future"):
        rank(model, peeking)


def test_one_target_among_the_seen_items_is_refused(item_item: ItemItem, cases: EvaluationSet) -> None:
    first = int(np.flatnonzero(cases.relevant >= 0)[0])
    seen = np.insert(cases.users.seen, cases.users.seen_offsets[first], cases.relevant[first])
    offsets = cases.users.seen_offsets + (np.arange(len(cases) + 1) > first)
    with pytest.raises(ValueError, match="^1 of .* know the future"):
        rank(item_item, replace(cases, users=replace(cases.users, seen=seen, seen_offsets=offsets)))


def test_lists_of_items_with_genres_have_diversity_and_calibration(history: Log, item_item: ItemItem) -> None:
    split, test = by_day(history, 45)
    encoder = history.encoder()
    genres = history.training(encoder).items.genres
    with_genres = build_evaluation_set("global-time", history.table(split), history.live(), encoder, item_genres=genres)
    values = rank(item_item, with_genres).values
    popular = rank(Popularity.fit(history.rows(~test).training(encoder), FitContext()), with_genres).values
    # Users of this log have a favourite genre: item_item finds it, popularity does not.
    assert values["diversity"].mean() < popular["diversity"].mean()
    assert values["miscalibration"].mean() < popular["miscalibration"].mean()


def test_without_genres_their_metrics_are_left_out(item_item: ItemItem, cases: EvaluationSet) -> None:
    assert not {"diversity", "miscalibration"} & set(rank(item_item, cases).values)


def test_scores_of_the_wrong_shape_are_refused(cases: EvaluationSet) -> None:
    with pytest.raises(ValueError, match="shape"):
        rank(FixedScores(np.zeros(3, dtype=np.float32)), small_catalogue(cases))


def small_catalogue(cases: EvaluationSet) -> EvaluationSet:
    users = replace(cases.users, seen=cases.users.seen[:0], seen_offsets=np.zeros_like(cases.users.seen_offsets))
    return replace(cases, users=users, item_counts=cases.item_counts[:2], relevant=np.zeros_like(cases.relevant))


def test_lists_are_shorter_than_ten_when_little_is_left_to_recommend() -> None:
    # Four items of which the user has seen one: three can be recommended, and the list metrics count those three.
    rows = [(1, 0, 0), (1, 1, 5), (2, 0, 0), (2, 1, 0), (2, 2, 0), (2, 3, 0)]
    history = log(rows, n_items=4)
    split, test = by_day(history, 5)
    cases = build_evaluation_set("global-time", history.table(split), history.live(), history.encoder())
    answer = rank(Popularity.fit(history.rows(~test).training(history.encoder()), FitContext()), cases)
    assert answer.coverage == 0.75
    assert answer.values["novelty"].tolist() == pytest.approx([1.0])  # one of two users chose each of the three


def test_only_sampled_candidates_are_ranked_and_ties_go_to_the_smaller_item() -> None:
    history = random_log(n_users=8, n_items=200)
    split = np.array(["train"] * len(history.user))
    split[np.append(np.flatnonzero(np.diff(history.user)), -1)] = "test"
    cases = rankings("leave-last-out-99", history, split)
    assert cases.candidates is not None
    flat = rank(FixedScores(np.zeros(200, dtype=np.float32)), cases)
    for row, target in enumerate(cases.relevant):
        ranked = [item for item in cases.candidates[row] if item >= 0]
        expected = 1 / (1 + sum(item < target for item in ranked)) if target >= 0 else 0.0
        assert flat.values["mrr"][row] == pytest.approx(expected)
    assert flat.coverage is None
    assert "novelty" not in flat.values


def test_padding_of_a_short_sample_is_not_ranked() -> None:
    history = log([(1, 1, 0), (1, 2, 1), (2, 0, 0), (2, 2, 1), (2, 1, 2)], n_items=3)
    cases = rankings("leave-last-out-99", history, ["train", "test", "train", "train", "test"])
    flat = rank(FixedScores(np.zeros(3, dtype=np.float32)), cases)
    assert flat.values["mrr"].tolist() == [0.5, 1.0]  # user 1: item 0 before the target 2; user 2: the target alone
