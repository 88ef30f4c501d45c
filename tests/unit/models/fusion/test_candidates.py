"""Sparse lookups against dense products, what is held in memory, and answers whatever is filtered."""

from dataclasses import fields

import numpy as np
import pytest
from histories import log, random_log, viewers
from scipy import sparse

from recstack.features.spec import RECENT_LENGTH
from recstack.models.base import FitContext
from recstack.models.fusion.model import Fusion
from recstack.models.fusion.sources.related import HistoryItems, RelatedItems, Slots
from recstack.models.learning.history import decay_weights, equal_weights

N_ITEMS = 120


def relations(count: int, seed: int = 0) -> list[sparse.csr_array]:
    random = np.random.default_rng(seed)
    dense = random.normal(size=(count, N_ITEMS, N_ITEMS)) * (random.random((count, N_ITEMS, N_ITEMS)) < 0.2)
    return [sparse.csr_array(each.astype(np.float32)) for each in dense]


def joined(matrices: list[sparse.csr_array], neighbours: int = N_ITEMS) -> RelatedItems:
    return RelatedItems.join(matrices, np.ones(N_ITEMS, dtype=np.float32), neighbours)


def test_every_relation_comes_back_as_it_was() -> None:
    matrices = relations(3)
    related = joined(matrices)
    some = np.array([5, 0, 119])
    for column, matrix in enumerate(matrices):
        np.testing.assert_array_equal(related.relation(column).toarray(), matrix.toarray())
        np.testing.assert_array_equal(related.of(column, some).toarray(), matrix.toarray()[some])


def test_no_item_keeps_more_related_items_than_wanted() -> None:
    related = joined(relations(3), neighbours=7)
    assert np.diff(related.offsets).max() <= 7
    assert len(related.values) == len(related.items) == related.offsets[-1]


def test_sparse_scores_are_those_of_a_dense_product() -> None:
    random = np.random.default_rng(1)
    users = viewers(*[random.permutation(N_ITEMS)[:size].tolist() for size in (0, 1, 9, 49, 80)])
    matrices, decays = relations(2), np.array([0.8, 0.5], dtype=np.float32)
    candidates = np.sort(np.stack([random.permutation(N_ITEMS)[:30] for _ in range(5)]), axis=1)
    alive = random.random(candidates.shape) < 0.9
    history = HistoryItems.of(users, N_ITEMS, N_ITEMS)
    slots = Slots.of(candidates, alive, N_ITEMS)
    found = joined(matrices).scores(history, decays, slots)
    for column, (matrix, decay) in enumerate(zip(matrices, decays.tolist(), strict=True)):
        dense = decay_weights(users, N_ITEMS, decay).toarray() @ matrix.toarray()
        expected = np.where(alive, np.take_along_axis(dense, candidates, axis=1), 0.0)
        np.testing.assert_allclose(found[:, :, column], expected, rtol=1e-4, atol=1e-5)
    whole = equal_weights(users, N_ITEMS) @ matrices[0]
    expected = np.where(alive, np.take_along_axis(whole.toarray(), candidates, axis=1), 0.0)
    np.testing.assert_allclose(slots.values(whole), expected, rtol=1e-5)


def test_older_items_of_a_history_are_drawn_evenly_and_stand_for_all() -> None:
    history = HistoryItems.of(viewers(list(range(110)), [3, 4]), 20, N_ITEMS)
    first, second = history.row == 0, history.row == 1
    assert first.sum() == RECENT_LENGTH + 20
    older = first & (history.rank == RECENT_LENGTH)
    assert history.share[first].sum() == pytest.approx(110)
    assert not set(history.item[older]) & set(range(RECENT_LENGTH))
    assert np.ptp(np.diff(np.sort(history.item[older]))) <= 1
    assert history.item[second].tolist() == [3, 4]
    assert history.rank[second].tolist() == [0, 1]


@pytest.fixture(scope="module")
def wide() -> Fusion:
    """Some users of a catalogue of which nearly nothing is chosen."""
    rows = [(user, (user * 7 + step * (1 + user % 3)) % 60, step) for user in range(40) for step in range(12)]
    history = log(rows, n_items=5_000)
    return Fusion.fit(history.training(history.encoder()), FitContext(options={"blocks": 2, "epochs": 1}))


def test_k_items_come_back_where_a_filter_leaves_twenty_that_nobody_chose(wide: Fusion) -> None:
    allowed = np.zeros((3, 5_000), dtype=bool)
    allowed[:, 4_000:4_020] = True
    users = viewers([], [1, 2, 3], list(range(59)))
    positions, scores = wide.best(users, allowed, 20)
    assert (np.sort(positions) == np.arange(4_000, 4_020)).all()
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()


def test_candidates_of_a_filter_stand_above_items_that_fill_up(wide: Fusion) -> None:
    allowed = np.zeros((1, 5_000), dtype=bool)
    allowed[:, [10, 11, 12]] = allowed[:, 4_000:4_017] = True
    positions, _ = wide.best(viewers([9, 8]), allowed, 20)
    assert set(positions[0, :3].tolist()) == {10, 11, 12}
    assert set(positions[0, 3:].tolist()) == set(range(4_000, 4_017))


def test_nothing_that_a_model_holds_has_a_cell_for_each_pair_of_items_or_for_each_user_and_item(wide: Fusion) -> None:
    held = [getattr(wide.inputs.related, field.name) for field in fields(wide.inputs.related)]
    retrieval = wide.inputs.retrieval
    for matrix in (retrieval.by_newest, *retrieval.by_all, retrieval.chart, retrieval.genre_charts):
        held += [matrix.data, matrix.indices, matrix.indptr]
    held += [wide.inputs.facts, wide.inputs.stages, wide.inputs.own, wide.inputs.genres]
    assert max(array.size for array in held) <= 60 * 60 * 6 + 20 * 5_000


def test_lookups_take_memory_for_candidates_and_not_for_items() -> None:
    data = random_log().training(random_log().encoder())
    model = Fusion.fit(data, FitContext(options={"blocks": 2, "epochs": 1, "candidates": 10}))
    table = model.inputs.table(data.users[:20], np.ones((20, 45), dtype=bool), 10)
    assert {array.shape[:2] for array in (table.candidates, table.alive, table.inputs, table.affinity)} == {(20, 10)}
