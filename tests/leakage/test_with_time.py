"""No row of training or evaluation knows its future; each test also shows what a leak would look like."""

from datetime import UTC, datetime

import brute_force
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyroaring import BitMap
from workspace import CLOSING, DAY, PLANTED, PLANTED_USER, SAME_SECOND, SURPRISE, Workspace, at, seconds_of

from recstack import columns as c
from recstack.data.splits import TEST, TRAIN, VALIDATION
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import GLOBAL_TIME, build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.feature_store.offline import historical
from recstack.features import spec
from recstack.features.arrays import Ints
from recstack.features.batches import Users
from recstack.features.interaction_log import InteractionLog
from recstack.features.users_as_of import users_before
from recstack.models import models
from recstack.models.base import FitContext
from recstack.models.training_data import TrainingData
from recstack.training import dataset
from recstack.training.dataset import training_data


def entities(shop: Workspace) -> pa.Table:
    """User and timestamp of every interaction."""
    rows = shop.table("interactions").sort_by([(c.USER_ID, "ascending"), (c.TIMESTAMP, "ascending")])
    return pa.table({c.USER_ID: rows[c.USER_ID], c.ITEM_ID: rows[c.ITEM_ID], c.EVENT_TIMESTAMP: rows[c.TIMESTAMP]})


def user_features(shop: Workspace, points: pa.Table) -> pa.Table:
    return historical(shop.settings, "user", points.select([c.USER_ID, c.EVENT_TIMESTAMP]), shop.features.path)


def live_features(shop: Workspace, points: pa.Table) -> pa.Table:
    """What training and evaluation compute from the log."""
    seconds = np.array(seconds_of(points[c.EVENT_TIMESTAMP]))
    known = InteractionLog.read(shop.features.path).before(points[c.USER_ID].to_numpy(), seconds)
    return known.features(np.arange(len(points)), shop.genres)


def seen(rows: pa.Table) -> list[set[int]]:
    return [set(BitMap.deserialize(bitmap)) if bitmap else set() for bitmap in rows[c.SEEN_ITEMS].to_pylist()]


def planted_points(seconds: list[int]) -> pa.Table:
    return pa.table({c.USER_ID: [PLANTED_USER] * len(seconds), c.EVENT_TIMESTAMP: at(seconds)})


@pytest.fixture(scope="module")
def train(shop: Workspace) -> TrainingData:
    return shop.experiment.data((TRAIN,))


def test_every_training_row_knows_what_was_rated_before_it_and_nothing_else(shop: Workspace) -> None:
    points = entities(shop)
    ratings = brute_force.ratings_of(shop.table("interactions"))
    seconds = seconds_of(points[c.EVENT_TIMESTAMP])
    joined = user_features(shop, points)
    for row, user, second in zip(joined.to_pylist(), points[c.USER_ID].to_pylist(), seconds, strict=True):
        history = brute_force.known(ratings, user, second)
        brute_force.assert_equal(row, brute_force.features(history, shop.positions, len(shop.words)))

    # A join that ignores time finds the newest row, and in it the target itself.
    late = pa.table({c.USER_ID: points[c.USER_ID], c.EVENT_TIMESTAMP: at([CLOSING] * len(points))})
    targets = points[c.ITEM_ID].to_pylist()
    assert all(target in items for target, items in zip(targets, seen(user_features(shop, late)), strict=True))
    assert not any(target in items for target, items in zip(targets, seen(joined), strict=True))


def test_a_planted_future_event_changes_no_row_before_it(shop: Workspace, surprised_shop: Workspace) -> None:
    points = entities(shop)
    earlier = points.filter(pc.less_equal(points[c.EVENT_TIMESTAMP], datetime.fromtimestamp(PLANTED, UTC)))
    assert PLANTED_USER in earlier[c.USER_ID].to_pylist()
    assert user_features(shop, earlier).equals(user_features(surprised_shop, earlier))

    later = planted_points([PLANTED + 1, CLOSING])
    assert [SURPRISE in items for items in seen(user_features(surprised_shop, later))] == [True, True]
    assert [SURPRISE in items for items in seen(user_features(shop, later))] == [False, False]


def test_a_planted_future_event_changes_no_live_feature_before_it(shop: Workspace, surprised_shop: Workspace) -> None:
    points = planted_points([SAME_SECOND, SAME_SECOND + 1, PLANTED - 1, PLANTED, PLANTED + 1])
    without, planted = (live_features(each, points) for each in (shop, surprised_shop))
    assert without.slice(0, 4).equals(planted.slice(0, 4))
    assert not without.slice(4).equals(planted.slice(4))


def test_a_planted_future_event_changes_no_popularity_before_it(shop: Workspace, surprised_shop: Workspace) -> None:
    dates = sorted(set(seconds_of(shop.table("item")[c.EVENT_TIMESTAMP])))
    points = pa.table({c.ITEM_ID: [SURPRISE] * len(dates), c.EVENT_TIMESTAMP: at(dates)})
    without, planted = (
        historical(each.settings, "item", points, each.features.path)[c.POPULARITY_ALL].to_numpy()
        for each in (shop, surprised_shop)
    )
    known = np.array(dates) > PLANTED
    assert (planted - without).tolist() == known.astype(int).tolist()
    assert 0 < known.sum() < len(dates)


def test_interactions_of_the_same_second_are_not_visible_to_each_other(shop: Workspace) -> None:
    points = planted_points([SAME_SECOND, SAME_SECOND + 1])
    live = live_features(shop, points)
    for rows in (user_features(shop, points), live):
        assert seen(rows) == [set(), {1, 2}]  # one second later both would leak
        assert rows[c.RATING_COUNT].to_pylist() == [None, 2]


def test_no_row_of_the_training_set_holds_its_own_item_or_an_item_of_its_future(
    shop: Workspace, train: TrainingData
) -> None:
    ratings = brute_force.ratings_of(shop.table("interactions").filter(pc.field(c.SPLIT) == TRAIN))
    ratings.sort(key=lambda r: (r.user, r.second, r.item))
    ids = train.encoder.item_ids
    assert ids[train.item].tolist() == [r.item for r in ratings]
    assert train.users.ids.tolist() == [r.user for r in ratings]
    for number, rating in enumerate(ratings):
        batch = train.users[number : number + 1]
        past = {r.item for r in brute_force.known(ratings, rating.user, rating.second)}
        assert set(ids[batch.seen].tolist()) == past
        assert {int(ids[position]) for position in batch.recent[0] if position >= 0} <= past
        assert rating.item not in past


def test_the_popularity_of_a_training_row_counts_only_earlier_interactions(
    shop: Workspace, train: TrainingData
) -> None:
    rows = shop.table("interactions")
    ratings = sorted(brute_force.ratings_of(rows.filter(pc.field(c.SPLIT) == TRAIN)), key=lambda r: (r[0], r[3], r[1]))
    everything = brute_force.ratings_of(rows)
    counted = np.rint(np.expm1(train.popularity[train.snapshot, train.item, 2])).astype(int)
    before = [sum(r.item == own.item and r.second < own.second for r in everything) for own in ratings]
    stale = [
        sum(r.item == own.item and r.second < own.second - 7 * DAY for r in everything) for own in ratings
    ]  # a snapshot is at most a week old
    assert (counted <= before).all()
    assert (counted >= stale).all()

    newest = np.rint(np.expm1(train.items.popularity[train.item, 2])).astype(int)
    assert (newest > before).any()  # a row that is joined with the end of training knows more


def test_training_sees_no_item_snapshot_from_after_its_last_row(shop: Workspace, train: TrainingData) -> None:
    in_train = pc.field(c.SPLIT) == TRAIN
    last = max(seconds_of(shop.table("interactions").filter(in_train)[c.TIMESTAMP]))
    dates = sorted(set(seconds_of(shop.table("item")[c.EVENT_TIMESTAMP])))
    assert len(train.popularity) == sum(date <= last for date in dates) < len(dates)


def test_popularity_does_not_depend_on_how_many_items_are_joined_at_once(
    shop: Workspace, train: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_once in (1, 2 * len(train.items)):
        monkeypatch.setattr(dataset, "JOINED_AT_ONCE", at_once)
        again = training_data(shop.settings, shop.features, (TRAIN,))
        np.testing.assert_array_equal(again.popularity, train.popularity)


def shifted_cases(shop: Workspace, data: TrainingData, seconds: int) -> EvaluationSet:
    """The test part with features read `seconds` after each target."""

    known = InteractionLog.read(shop.features.path)

    def later(user_ids: Ints, before: Ints | None, as_of: Ints) -> Users:
        assert before is not None
        return users_before(known, shop.genres, data.encoder, user_ids, before + seconds, as_of)

    return build_evaluation_set(GLOBAL_TIME, shop.table("interactions"), later, data.encoder)


def test_a_ranking_whose_features_hold_the_target_is_refused(shop: Workspace) -> None:
    data = shop.experiment.data((TRAIN, VALIDATION))
    model = models()["popularity"].fit(data, FitContext())
    honest = shop.experiment.cases("test")
    assert len(honest) == shop.features.manifest["split"][TEST]
    assert np.isfinite(rank(model, honest).values["ndcg@10"]).all()
    np.testing.assert_array_equal(shifted_cases(shop, data, 0).users[:].seen, honest.users[:].seen)
    with pytest.raises(ValueError, match="the features know the future"):
        rank(model, shifted_cases(shop, data, 1))


def test_the_historical_join_returns_exactly_the_features_of_the_spec(shop: Workspace) -> None:
    rows = user_features(shop, planted_points([CLOSING]))
    assert rows.schema.names == [c.USER_ID, c.EVENT_TIMESTAMP, *spec.names("user")]
