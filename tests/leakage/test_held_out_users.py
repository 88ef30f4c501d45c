"""A model knows only the fold-in history of held-out users; each test also shows what a leak would look like."""

from functools import partial

import brute_force
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from workspace import Workspace

from recstack import columns as c
from recstack.data.split_at_random import with_fold_in
from recstack.data.splits import FOLD_IN, TEST, TRAIN, VALIDATION
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import TRAINED_PARTS, Part, build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.features.interaction_log import InteractionLog
from recstack.features.users_as_of import users_before
from recstack.models import models
from recstack.models.base import FitContext

PARTS: list[Part] = ["validation", "test"]


def chosen(shop: Workspace, part: Part) -> dict[int, set[int]]:
    """All items of each user of the part."""
    table = shop.table("interactions").filter(pc.field(c.SPLIT) == part)
    items: dict[int, set[int]] = {}
    for user, item in zip(table[c.USER_ID].to_pylist(), table[c.ITEM_ID].to_pylist(), strict=True):
        items.setdefault(user, set()).add(item)
    return items


def history(cases: EvaluationSet, row: int, item_ids: np.ndarray) -> set[int]:
    return set(item_ids[cases.users[row : row + 1].seen].tolist())


@pytest.mark.parametrize("part", PARTS)
def test_no_training_row_and_no_count_comes_from_a_held_out_user(held_out_shop: Workspace, part: Part) -> None:
    data = held_out_shop.experiment.data(TRAINED_PARTS[part])
    table = held_out_shop.table("interactions")
    trained = table.filter(pc.field(c.SPLIT).isin(list(TRAINED_PARTS[part])))
    assert not set(trained[c.USER_ID].to_pylist()) & set(chosen(held_out_shop, part))
    assert len(data.item) == len(trained) < len(table)
    counts = np.bincount(data.encoder.positions(trained[c.ITEM_ID].to_numpy()), minlength=len(data.items))
    assert held_out_shop.experiment.cases(part).item_counts.tolist() == counts.tolist()


@pytest.mark.parametrize("part", PARTS)
def test_popularity_counts_no_user_that_is_evaluated(held_out_shop: Workspace, part: Part) -> None:
    data = held_out_shop.experiment.data(TRAINED_PARTS[part])
    cases = held_out_shop.experiment.cases(part)
    assert np.rint(np.expm1(data.items.popularity[:, 2])).astype(int).tolist() == cases.item_counts.tolist()
    everything = data.encoder.positions(held_out_shop.table("interactions")[c.ITEM_ID].to_numpy())
    assert np.bincount(everything, minlength=len(data.items)).tolist() != cases.item_counts.tolist()


@pytest.mark.parametrize("part", PARTS)
def test_the_features_of_a_held_out_user_are_those_of_the_fold_in_history(held_out_shop: Workspace, part: Part) -> None:
    shop = held_out_shop
    encoder = shop.experiment.data(TRAINED_PARTS[part]).encoder
    cases = shop.experiment.cases(part)
    items = chosen(shop, part)
    assert set(cases.user_ids.tolist()) == {user for user, own in items.items() if len(own) > 1}

    ratings = brute_force.ratings_of(shop.table("interactions"))
    for row, user in enumerate(cases.user_ids.tolist()):
        known = history(cases, row, encoder.item_ids)
        targets = cases.relevant[cases.relevant_offsets[row] : cases.relevant_offsets[row + 1]]
        assert len(targets) == max(1, len(items[user]) // 5) == len(items[user]) - len(known)
        assert known < items[user]
        assert not known & set(encoder.item_ids[targets[targets >= 0]].tolist())
        right = brute_force.features(
            [r for r in brute_force.known(ratings, user, None) if r.item in known], shop.positions, len(shop.words)
        )
        expected = np.array(right[c.GENRE_PROFILE], dtype=np.float32) / 5 - 1
        np.testing.assert_allclose(cases.users.genres[row], expected, atol=1e-6)
        recent = [encoder.item_ids[position] for position in cases.users.recent[row] if position >= 0]
        assert recent == right[c.RECENT_ITEMS]
    assert cases.slices["warm"].all()


def test_features_that_hold_the_targets_of_a_held_out_user_are_refused(held_out_shop: Workspace) -> None:
    shop = held_out_shop
    data = shop.experiment.data((TRAIN, VALIDATION))
    model = models()["popularity"].fit(data, FitContext())
    assert np.isfinite(rank(model, shop.experiment.cases("test")).values["ndcg@100"]).all()

    frame = shop.frame("interactions")
    divided = with_fold_in(frame.where(frame[c.SPLIT] == TEST), seed=0)
    others = shop.table("interactions").filter(pc.field(c.SPLIT) != TEST)
    table = pa.concat_tables([others, divided.toArrow().cast(others.schema)])
    assert FOLD_IN in table[c.SPLIT].to_pylist()
    known = InteractionLog.of(divided.toArrow())
    peeking = build_evaluation_set(
        "held-out-users", table, partial(users_before, known, shop.genres, data.encoder), data.encoder
    )
    with pytest.raises(ValueError, match="the features know the future"):
        rank(model, peeking)
