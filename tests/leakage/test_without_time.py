"""Without timestamps only the split separates past from future; each test also shows what a leak would look like."""

from functools import partial

import brute_force
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from workspace import Workspace

from recstack import columns as c
from recstack.data.splits import STRATIFIED, TEST, TRAIN, VALIDATION
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.features.arrays import Ints
from recstack.features.interaction_log import InteractionLog
from recstack.features.item_genres import ItemGenres
from recstack.features.users_as_of import users_before
from recstack.models import models
from recstack.models.base import FitContext
from recstack.models.training_data import TrainingData

PARTS = [(TRAIN,), (TRAIN, VALIDATION)]
KEY_AND_COUNT = (c.ITEM_ID, c.POPULARITY_ALL)


def ratings(shop: Workspace, parts: tuple[str, ...]) -> list[brute_force.Rating]:
    table = shop.table("interactions").filter(pc.field(c.SPLIT).isin(list(parts)))
    return sorted(brute_force.ratings_of(table), key=lambda r: (r.user, r.item))


def counts(shop: Workspace, parts: tuple[str, ...], item_ids: Ints) -> list[int]:
    chosen = [r.item for r in ratings(shop, parts)]
    return [chosen.count(number) for number in item_ids]


def test_the_timestamps_of_the_source_are_gone(timeless_shop: Workspace) -> None:
    table = timeless_shop.table("interactions")
    assert table[c.TIMESTAMP].null_count == len(table)


def rows(log: pa.Table, parts: tuple[str, ...], own: list[brute_force.Rating], genres: ItemGenres) -> list[dict]:
    """The features of these training rows, computed from these parts of the log."""
    known = InteractionLog.of(log.filter(pc.field(c.SPLIT).isin(list(parts))))
    users, items = (np.array(column) for column in zip(*((r.user, r.item) for r in own), strict=True))
    return known.without_each(users, items).features(np.arange(len(own)), genres).to_pylist()


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_a_training_row_knows_its_users_other_ratings_of_these_parts_and_nothing_else(
    timeless_shop: Workspace, parts: tuple[str, ...]
) -> None:
    known = ratings(timeless_shop, parts)
    computed = rows(timeless_shop.table("interactions"), parts, known, timeless_shop.genres)
    data = timeless_shop.experiment.data(parts)
    for number, (own, row) in enumerate(zip(known, computed, strict=True)):
        others = [r for r in known if r.user == own.user and r.item != own.item]
        right = brute_force.features(others, timeless_shop.positions, len(timeless_shop.words))
        brute_force.assert_equal(row, right)
        assert set(data.encoder.item_ids[data.users[number : number + 1].seen].tolist()) == {r.item for r in others}


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_the_own_rating_is_in_no_tensor_of_its_row(timeless_shop: Workspace, parts: tuple[str, ...]) -> None:
    data = timeless_shop.experiment.data(parts)
    known = ratings(timeless_shop, parts)
    assert data.encoder.item_ids[data.item].tolist() == [r.item for r in known]
    assert data.users.ids.tolist() == [r.user for r in known]
    # `user` is what serving reads: it knows everything, and rows made from it would hold their own target.
    served = timeless_shop.table("user").sort_by(c.USER_ID)
    owner = np.searchsorted(served[c.USER_ID].to_numpy(), [r.user for r in known])
    leaking = data.encoder.users(served.take(owner), np.zeros(len(known), np.int64))
    for users, holds in ((data.users, False), (leaking, True)):
        for number, position in enumerate(data.item):
            row = users[number : number + 1]
            assert (position in row.seen, position in row.recent) == (holds, holds)
    assert (data.users.genres != leaking.genres).any(axis=1).mean() > 0.8  # the rest rated items without a genre


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_test_ratings_change_no_training_row(timeless_shop: Workspace, parts: tuple[str, ...]) -> None:
    log, known = timeless_shop.table("interactions"), ratings(timeless_shop, parts)
    in_test = pc.equal(log[c.SPLIT], TEST)
    other = pc.if_else(in_test, pc.subtract(pa.scalar(5.5, pa.float32()), log[c.RATING]), log[c.RATING])
    changed = log.set_column(log.schema.get_field_index(c.RATING), c.RATING, other)
    computed = rows(log, parts, known, timeless_shop.genres)
    assert computed == rows(changed, parts, known, timeless_shop.genres)

    everything = (TRAIN, VALIDATION, TEST)
    leaking = rows(log, everything, known, timeless_shop.genres)
    assert leaking != rows(changed, everything, known, timeless_shop.genres)
    assert leaking != computed


def test_items_are_counted_in_the_parts_that_are_learned_from_and_in_no_other(timeless_shop: Workspace) -> None:
    right = {}
    for parts in PARTS:
        data = timeless_shop.experiment.data(parts)
        right[parts] = counts(timeless_shop, parts, data.encoder.item_ids)
        assert np.rint(np.expm1(data.items.popularity[:, 2])).astype(int).tolist() == right[parts]
        assert (data.popularity == data.items.popularity).all()

    # Counts of one part more hold the targets: those of validation decide when to stop, those of test are the figures.
    served = dict(zip(*(timeless_shop.table("item")[name].to_pylist() for name in KEY_AND_COUNT), strict=True))
    assert right[TRAIN,] != right[TRAIN, VALIDATION] != [served[number] for number in data.encoder.item_ids]


def test_a_ranking_whose_features_come_from_the_test_part_too_is_refused(timeless_shop: Workspace) -> None:
    data: TrainingData = timeless_shop.experiment.data((TRAIN, VALIDATION))
    model = models()["popularity"].fit(data, FitContext())
    assert np.isfinite(rank(model, timeless_shop.experiment.cases("test")).values["ndcg@10"]).all()

    everything = InteractionLog.read(timeless_shop.features.path)
    unprotected = build_evaluation_set(
        STRATIFIED,
        timeless_shop.table("interactions"),
        partial(users_before, everything, timeless_shop.genres, data.encoder),
        data.encoder,
    )
    with pytest.raises(ValueError, match="the features know the future"):
        rank(model, unprotected)


def test_the_rows_that_serving_reads_hold_the_ratings_of_all_parts(timeless_shop: Workspace) -> None:
    served = pq.read_table(timeless_shop.features.path / "user").to_pylist()
    everything = ratings(timeless_shop, (TRAIN, VALIDATION, TEST))
    for row in served:
        history = brute_force.known(everything, row[c.USER_ID], None)
        brute_force.assert_equal(row, brute_force.features(history, timeless_shop.positions, len(timeless_shop.words)))
    items = timeless_shop.table("item").sort_by(c.ITEM_ID)
    right = counts(timeless_shop, (TRAIN, VALIDATION, TEST), items[c.ITEM_ID].to_numpy())
    assert items[c.POPULARITY_ALL].to_pylist() == right
