"""The served model on a catalogue of a million items."""

import numpy as np
import pytest

from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.fusion.inputs import HALF_LIVES, NAMES, FusionInputs
from recstack.models.fusion.model import Fusion
from recstack.models.fusion.network import Config, FusionRanker
from recstack.models.fusion.sources.popular import STAGES
from recstack.models.fusion.sources.related import RelatedItems

ITEMS = 1_000_000
RELATED = 5
GENRES = 3


def a_user(seen: list[int]) -> UserBatch:
    recent = np.full((1, RECENT_LENGTH), -1)
    recent[0, : len(seen)] = seen
    return UserBatch(
        genres=np.full((1, GENRES), 0.2, dtype=np.float32),
        scalars=np.zeros((1, 4), dtype=np.float32),
        recent=recent,
        recent_ratings=np.zeros(recent.shape, dtype=np.float32),
        seen_offsets=np.array([0, len(seen)]),
        seen=np.sort(np.array(seen, dtype=np.int64)),
        seen_ratings=np.ones(len(seen), dtype=np.float16),
        ids=np.array([1]),
    )


@pytest.fixture(scope="module")
def model() -> Fusion:
    random = np.random.default_rng(0)
    related = RelatedItems(
        offsets=np.arange(0, (ITEMS + 1) * RELATED, RELATED),
        items=np.sort(random.integers(0, ITEMS, (ITEMS, RELATED)), axis=1).ravel().astype(np.int32),
        values=random.random((ITEMS * RELATED, len(NAMES)), dtype=np.float32),
        typical=np.ones(len(NAMES), dtype=np.float32),
    )
    items = ItemBatch(
        genres=np.eye(GENRES, dtype=np.float32)[random.integers(0, GENRES, ITEMS)],
        scalars=np.zeros((ITEMS, 2), dtype=np.float32),
        popularity=np.zeros((ITEMS, 3), dtype=np.float32),
    )
    facts = random.random((ITEMS, len(HALF_LIVES) + 3), dtype=np.float32)
    inputs = FusionInputs(related, facts, np.zeros((STAGES, ITEMS), dtype=np.float32), items, older=300)
    one = inputs.table(a_user([1]), np.ones((1, ITEMS), dtype=bool), 1)
    return Fusion(inputs, FusionRanker(one.inputs.shape[2], one.context.shape[1], 8, 0.0), Config())


@pytest.mark.parametrize("seen", [[], [5], list(range(50))], ids=["nothing", "one item", "fifty items"])
def test_a_filter_that_leaves_twenty_items_gives_those_and_no_others(model: Fusion, seen: list[int]) -> None:
    left = np.random.default_rng(1).choice(np.arange(100, ITEMS), 20, replace=False)
    allowed = np.zeros((1, ITEMS), dtype=bool)
    allowed[0, left] = True
    for k in (1, 10, 20):
        positions, scores = model.best(a_user(seen), allowed, k)
        assert len(set(positions[0].tolist())) == k
        assert set(positions[0].tolist()) <= set(left.tolist())
        assert np.isfinite(scores).all()
        assert (np.diff(scores[0]) <= 0).all()


def test_without_a_filter_what_is_related_to_the_newest_item_is_a_candidate(model: Fusion) -> None:
    user = a_user([12_345])
    table = model.inputs.table(user, user.unseen(ITEMS), model.config.candidates)
    related = model.inputs.related.items[12_345 * RELATED : 12_346 * RELATED]
    assert set(related.tolist()) <= set(table.candidates[table.alive].tolist())
    assert 12_345 not in table.candidates[table.alive]
