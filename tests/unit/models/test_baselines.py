import numpy as np
import pytest
from histories import Log, log, random_log

from recstack.errors import UserError
from recstack.features.batches import UserBatch
from recstack.features.spec import USER_SCALARS
from recstack.models.base import FitContext, Recommender
from recstack.models.item_item.model import ItemItem
from recstack.models.learning import cosine
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData

# Items 0 and 1 go together twice, 0 and 2 once; item 3 is alone, item 4 unknown.
HISTORY = log([(1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 1), (3, 0, 0), (3, 2, 1), (4, 3, 0)], n_items=5)


def training(history: Log) -> TrainingData:
    return history.training(history.encoder())


def users(*seen: list[int]) -> UserBatch:
    count = len(seen)
    return UserBatch(
        genres=np.zeros((count, 3), dtype=np.float32),
        scalars=np.zeros((count, len(USER_SCALARS)), dtype=np.float32),
        recent=np.full((count, 50), -1),
        recent_ratings=np.zeros((count, 50), dtype=np.float32),
        seen_offsets=np.append(0, np.cumsum([len(items) for items in seen])),
        seen=np.array([item for items in seen for item in items], dtype=np.int64),
        seen_ratings=np.full(sum(map(len, seen)), np.nan, dtype=np.float16),
        ids=np.full(count, -1),
    )


def order(model: Recommender, batch: UserBatch, n_items: int) -> list[list[int]]:
    scores = model.score(batch, np.ones((len(batch), n_items), dtype=bool))
    return np.argsort(-scores, axis=1, kind="stable").tolist()


def test_popularity_counts_training_interactions() -> None:
    assert Popularity.fit(training(HISTORY), FitContext()).counts.tolist() == [3, 2, 1, 1, 0]


def test_popularity_refuses_options_that_it_does_not_have() -> None:
    with pytest.raises(UserError, match="popularity has no option 'decay'; its options are: none"):
        Popularity.fit(training(HISTORY), FitContext(options={"decay": 1}))


def test_similarity_is_the_shrunk_cosine() -> None:
    found = ItemItem.fit(training(HISTORY), FitContext(options={"shrinkage": 2.0})).similarity.toarray()
    assert found[0, 1] == found[1, 0] == pytest.approx(2 / (np.sqrt(3 * 2) + 2))
    assert found[0, 2] == pytest.approx(1 / (np.sqrt(3 * 1) + 2))
    assert not found.diagonal().any()
    assert not found[3:].any()


def test_similarity_without_shrinkage_is_the_cosine_and_never_nan() -> None:
    found = ItemItem.fit(training(HISTORY), FitContext(options={"shrinkage": 0.0})).similarity.toarray()
    assert found[0, 1] == pytest.approx(2 / np.sqrt(6))
    assert np.isfinite(found).all()


def test_item_item_sums_over_the_whole_history() -> None:
    model = ItemItem.fit(training(HISTORY), FitContext(options={"shrinkage": 2.0}))
    scores = model.score(users([1, 2]), np.ones((1, 5), dtype=bool))
    assert scores[0, 0] == pytest.approx(2 / (np.sqrt(6) + 2) + 1 / (np.sqrt(3) + 2), abs=1e-5)


def test_item_item_without_history_is_popularity() -> None:
    history = random_log()
    data = training(history)
    n_items = len(data.items)
    assert order(ItemItem.fit(data, FitContext()), users([]), n_items) == order(
        Popularity.fit(data, FitContext()), users([]), n_items
    )


def test_items_that_nobody_shares_with_the_history_follow_by_popularity() -> None:
    # Item 3's only user chose nothing else, so all similarities are zero.
    assert order(ItemItem.fit(training(HISTORY), FitContext()), users([3]), 5) == [[0, 1, 2, 3, 4]]


def test_popularity_breaks_ties_only() -> None:
    # Item 0 is far more popular than 2, but 2 shares a user with 3.
    rows = [(user, 0, 0) for user in range(20)] + [(30, 2, 0), (30, 3, 1)]
    model = ItemItem.fit(training(log(rows, n_items=4)), FitContext())
    assert order(model, users([3]), 4)[0][:2] == [2, 0]


def test_only_the_most_similar_items_are_kept_and_ties_with_the_last_stay() -> None:
    found = ItemItem.fit(training(HISTORY), FitContext(options={"neighbours": 1})).similarity.toarray()
    assert np.count_nonzero(found[0]) == 1
    assert found[0].argmax() == 1
    tied = log([(1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 2, 1)], n_items=3)
    assert (
        np.count_nonzero(ItemItem.fit(training(tied), FitContext(options={"neighbours": 1})).similarity.toarray()[0])
        == 2
    )


def test_the_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = training(random_log())
    whole = ItemItem.fit(data, FitContext(options={"neighbours": 5})).similarity.toarray()
    monkeypatch.setattr(cosine, "BLOCK", 7)
    np.testing.assert_array_equal(ItemItem.fit(data, FitContext(options={"neighbours": 5})).similarity.toarray(), whole)
