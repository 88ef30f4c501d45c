import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pytest
import tiny_catalogue as tiny

from recstack import columns as c
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.features.spec import USER_SCALARS
from recstack.models.base import Epoch, Recommender
from recstack.models.training_data import TrainingData
from recstack.recommend import Answer, Catalogue, Engine


def engine(
    read_users: Callable[[Sequence[int]], pa.Table] = tiny.users, model: Recommender | None = None, timed: bool = True
) -> Engine:
    return Engine(model or tiny.model(), tiny.catalogue(), read_users, tiny.SCALE, "7", timed)


def ask(body: dict[str, Any], served: Engine | None = None) -> Answer:
    served = served or engine()
    return served.answer([served.parse(body)], tiny.NOW).answers[0]


def ids(answer: Answer) -> list[int]:
    return [item.item_id for item in answer.items]


class Fixed(Recommender):
    """Gives all users the same scores, or raises."""

    name: ClassVar[str] = "fixed"

    def __init__(self, scores: list[float] | None, vectors: Floats | None = None) -> None:
        self.scores = scores
        if vectors is not None:
            self.item_vectors = vectors

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        validate: Callable[[Recommender], float] | None = None,
        report: Callable[[Epoch], None] | None = None,
        checkpoint: Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> Self:
        raise NotImplementedError

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        self.ids = users.ids.tolist()
        self.scalars = dict(zip(USER_SCALARS, users.scalars[0], strict=True))
        if self.scores is None:
            raise FloatingPointError("the model is broken")
        return np.where(allowed, np.array(self.scores, dtype=np.float32), np.float32(-np.inf))

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        raise NotImplementedError


class Careless(Fixed):
    """Ranks seen items first and gives a score that is not a number."""

    def best(self, users: UserBatch, allowed: Mask, k: int) -> tuple[Ints, Floats]:
        seen, unseen = np.flatnonzero(~allowed[0]), np.flatnonzero(allowed[0])
        positions = np.concatenate([seen, unseen])[None, : len(seen) + 2]
        scores = np.arange(positions.size, 0, -1, dtype=np.float32)[None]
        scores[0, -1] = np.nan
        return positions, scores


def test_seen_items_and_scores_that_are_not_numbers_are_not_taken_from_a_model() -> None:
    answer = ask({"user_id": 1, "k": 1}, engine(model=Careless([])))
    assert answer.policy == "personal"
    assert [(item.item_id, item.score) for item in answer.items] == [(11, 2.0)]
    answer = ask({"user_id": 1, "k": 3}, engine(model=Careless([])))
    assert len(set(ids(answer))) == 3
    assert np.isfinite([item.score for item in answer.items]).all()


def test_each_request_of_a_batch_gets_as_many_items_as_it_asks_for() -> None:
    served = engine()
    bodies = [{"user_id": 1, "k": 1}, {"user_id": 2, "k": 5}, {"liked": [21], "k": 2}]
    together = served.answer([served.parse(body) for body in bodies], tiny.NOW).answers
    assert [answer.items for answer in together] == [ask(body, served).items for body in bodies]
    assert [len(answer.items) for answer in together] == [1, 5, 2]


def test_a_known_user_gets_unseen_items_of_the_genres_that_they_like() -> None:
    answer = ask({"user_id": 1, "k": 2})
    assert answer.policy == "personal"
    assert set(ids(answer)) == {33, 34}
    assert answer.features_as_of == "2023-11-10T00:00:00Z"
    assert answer.model_version == "7"


def test_an_anonymous_user_is_ranked_by_the_items_that_they_name() -> None:
    answer = ask({"liked": [21, 22], "k": 2})
    assert answer.policy == "cold_start"
    assert ids(answer) == [23, 24]


def test_an_anonymous_user_who_rates_is_ranked_like_one_who_names_the_same_items() -> None:
    assert ids(ask({"ratings": {"21": 5, "22": 5}, "k": 2})) == ids(ask({"liked": [21, 22], "k": 2}))


@pytest.mark.parametrize("body", [{"user_id": 999}, {"liked": []}, {"ratings": {}}, {"liked": [5, 6]}])
def test_a_user_without_history_gets_the_popular_items(body: dict[str, Any]) -> None:
    answer = ask({**body, "k": 3})
    assert answer.policy == "popular"
    assert ids(answer) == [11, 12, 21]
    assert answer.features_as_of == "2023-11-01T00:00:00Z"


def test_an_anonymous_user_has_activity_scalars_only_where_the_training_data_had_timestamps() -> None:
    model = Fixed([1.0] * len(tiny.IDS))
    ask({"liked": [21, 22]}, engine(model=model))
    assert model.scalars[c.INTENSITY] != 0
    ask({"liked": [21, 22]}, engine(model=model, timed=False))
    assert [model.scalars[name] for name in (c.LAST_INTERACTION, c.FREQUENCY, c.INTENSITY)] == [0, 0, 0]


def test_the_model_receives_the_id_of_a_user_and_minus_one_for_an_anonymous_user() -> None:
    model = Fixed([1.0] * len(tiny.IDS))
    served = engine(model=model)
    served.answer([served.parse(body) for body in ({"liked": [21]}, {"user_id": 2}, {"user_id": 999})], tiny.NOW)
    assert model.ids == [2, 999, -1]


def test_named_items_that_the_catalogue_lacks_are_reported() -> None:
    assert ask({"liked": [21, 5, 6]}).unknown_items == [5, 6]


def test_items_are_distinct_and_scores_descend_when_popular_items_fill_up_a_personal_list() -> None:
    scores = [float("nan")] * len(tiny.IDS)
    scores[3], scores[4] = 0.25, 0.5
    answer = ask({"user_id": 1, "k": 10}, engine(model=Fixed(scores)))
    assert answer.policy == "personal"
    assert ids(answer)[:4] == [21, 14, 11, 12]
    assert sorted(ids(answer)) == sorted(set(tiny.IDS) - {31, 32})
    values = [item.score for item in answer.items]
    assert values == sorted(values, reverse=True)
    assert np.isfinite(values).all()


def test_equal_scores_are_ordered_by_item_id() -> None:
    assert ids(ask({"user_id": 2, "k": 3}, engine(model=Fixed([1.0] * len(tiny.IDS))))) == [12, 13, 14]


def test_seen_items_come_back_only_on_request() -> None:
    assert ids(ask({"user_id": 3})) == []
    assert len(ids(ask({"user_id": 3, "k": 12, "include_seen": True}))) == 12


def test_excluded_items_never_come_back_under_any_policy() -> None:
    assert 33 not in ids(ask({"user_id": 1, "k": 100, "exclude": [33, 77]}))
    assert 11 not in ids(ask({"user_id": 999, "k": 100, "exclude": [11]}))


def test_a_restriction_to_genres_holds_even_when_fewer_items_than_k_are_left() -> None:
    assert sorted(ids(ask({"user_id": 1, "genres": [" War "]}))) == [33, 34]
    assert sorted(ids(ask({"user_id": 999, "genres": ["horror"]}))) == [21, 22, 23, 24]


def test_an_unreachable_store_means_popular_items_and_is_counted() -> None:
    def unreachable(user_ids: Sequence[int]) -> pa.Table:
        raise TimeoutError("no answer within 0.2 s")

    served = engine(unreachable)
    batch = served.answer([served.parse({"user_id": 1, "k": 3}), served.parse({"liked": [21, 22], "k": 1})], tiny.NOW)
    assert [answer.policy for answer in batch.answers] == ["popular", "cold_start"]
    assert [ids(answer) for answer in batch.answers] == [[11, 12, 21], [23]]
    assert [(failure.cause, failure.error) for failure in batch.failures] == [
        ("store", "TimeoutError('no answer within 0.2 s')")
    ]
    assert batch.missing_features == 0, "nothing says that this user is unknown"


def test_an_unknown_user_is_no_failure() -> None:
    served = engine()
    batch = served.answer([served.parse({"user_id": 999}), served.parse({"liked": []})], tiny.NOW)
    assert (batch.missing_features, batch.failures) == (1, [])


def test_a_model_that_fails_is_a_failure_of_each_request() -> None:
    served = engine(model=Fixed(None))
    batch = served.answer([served.parse({"user_id": 2}), served.parse({"liked": [21]})], tiny.NOW)
    assert [failure.cause for failure in batch.failures] == ["model", "model"]
    assert batch.failures[0].error == "FloatingPointError('the model is broken')"
    assert batch.missing_features == 0


def test_a_store_that_returns_too_few_rows_means_popular_items() -> None:
    assert ask({"user_id": 1}, engine(lambda user_ids: tiny.users([]))).policy == "popular"


def test_after_one_broken_row_the_other_users_get_their_answer_and_its_user_gets_unseen_items() -> None:
    def one_broken(user_ids: Sequence[int]) -> pa.Table:
        rows = tiny.users(user_ids).to_pylist()
        rows[0][c.SEEN_RATINGS] = bytes(4)  # two ratings of one item
        return pa.Table.from_pylist(rows, schema=tiny.users(user_ids).schema)

    served = engine(one_broken)
    batch = served.answer([served.parse({"user_id": user, "k": 12}) for user in (2, 1)], tiny.NOW)
    assert [answer.policy for answer in batch.answers] == ["popular", "personal"]
    assert sorted(ids(batch.answers[0])) == sorted(set(tiny.IDS) - {11})


def test_an_unreadable_seen_filter_still_gets_popular_items() -> None:
    def damaged(user_ids: Sequence[int]) -> pa.Table:
        rows = tiny.users(user_ids).to_pylist()
        rows[0][c.SEEN_ITEMS] = b"not a bitmap"
        return pa.Table.from_pylist(rows, schema=tiny.users(user_ids).schema)

    assert ids(ask({"user_id": 1, "k": 2}, engine(damaged))) == [11, 12]


def test_a_model_that_fails_means_popular_items() -> None:
    answer = ask({"user_id": 2, "k": 2}, engine(model=Fixed(None)))
    assert (answer.policy, ids(answer)) == ("popular", [12, 21])


@pytest.mark.parametrize(
    ("body", "model", "why"),
    [
        ({"user_id": 999}, None, "user 999: the online store has no features of this user"),
        ({"user_id": 2}, Fixed(None), "user 2: the model could not score the request"),
        ({"user_id": 3}, None, "user 3: the model has no score for an allowed item"),
        ({"liked": [5]}, None, "an anonymous user: the request names no item of the catalogue"),
    ],
)
def test_the_log_says_why_an_answer_is_popular(
    body: dict[str, Any], model: Recommender | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "recstack")
    assert ask(body, engine(model=model)).policy == "popular"
    assert [record.getMessage() for record in caplog.records if record.levelname == "INFO"] == [
        f"popular items for {why}"
    ]


def test_the_log_names_the_users_whose_features_could_not_be_read(caplog: pytest.LogCaptureFixture) -> None:
    def unreachable(user_ids: Sequence[int]) -> pa.Table:
        raise TimeoutError("no answer within 0.2 s")

    caplog.set_level("INFO", "recstack")
    ask({"user_id": 1}, engine(unreachable))
    assert "popular items for user 1: the online store could not be read" in caplog.messages
    assert "no answer within 0.2 s" in caplog.text


def test_a_personal_answer_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recstack")
    ask({"user_id": 1, "k": 1})
    assert caplog.messages == []


def test_a_batch_reads_features_once_and_answers_in_the_order_of_its_requests() -> None:
    reads: list[list[int]] = []

    def counting(user_ids: Sequence[int]) -> pa.Table:
        reads.append(list(user_ids))
        return tiny.users(user_ids)

    served = engine(counting)
    bodies = [{"liked": [21]}, {"user_id": 1}, {"user_id": 999}, {"liked": []}, {"user_id": 2}]
    batch = served.answer([served.parse(body) for body in bodies], tiny.NOW)
    assert reads == [[1, 999, 2]]
    assert [a.policy for a in batch.answers] == ["cold_start", "personal", "popular", "popular", "personal"]
    assert [ids(a) for a in batch.answers] == [ids(ask(body)) for body in bodies]
    assert served.answer([], tiny.NOW).answers == []


def test_reasons_name_a_similar_liked_item_and_favourite_genres() -> None:
    reasons = {item.item_id: item.reasons for item in ask({"user_id": 1, "k": 3}).items}
    assert reasons[33] == ["because you liked Convoy (also war)", "among your favourite genres: war"]


def test_items_that_an_anonymous_user_names_count_as_liked_and_those_rated_low_do_not() -> None:
    (named,) = [item.reasons for item in ask({"liked": [32], "k": 3}).items if item.item_id == 33]
    (rated,) = [item.reasons for item in ask({"ratings": {"32": 3, "31": 5}, "k": 3}).items if item.item_id == 33]
    assert named[0] == "because you liked Convoy (also war)"
    assert rated[0] == "because you liked Trenches (also war)"


def test_reasons_of_popular_items_give_the_count() -> None:
    answer = ask({"user_id": 999, "k": 12})
    reasons = {item.item_id: item.reasons for item in answer.items}
    assert reasons[11] == ["popular now: 9 ratings in 30 days"]
    assert reasons[24] == ["popular: 2 ratings"]


def test_item_vectors_of_the_model_decide_which_liked_item_is_similar() -> None:
    vectors = np.zeros((len(tiny.IDS), 2), dtype=np.float32)
    vectors[tiny.IDS.index(31)] = vectors[tiny.IDS.index(33)] = [0, 1]
    vectors[tiny.IDS.index(32)] = [1, 0]
    answer = ask({"user_id": 1, "k": 12}, engine(model=Fixed([1.0] * len(tiny.IDS), vectors)))
    reasons = {item.item_id: item.reasons for item in answer.items}
    assert reasons[33][0] == "because you liked Trenches (also war)"


def test_a_model_that_computes_the_similarity_of_items_decides_too() -> None:
    class Related(Fixed):
        def likeness(self, items: Ints, others: Ints) -> Floats:
            trenches = others == tiny.IDS.index(31)
            return np.where(trenches, 1.0, 0.0)[None].repeat(len(items), axis=0).astype(np.float32)

    answer = ask({"user_id": 1, "k": 12}, engine(model=Related([1.0] * len(tiny.IDS))))
    reasons = {item.item_id: item.reasons for item in answer.items}
    assert reasons[33][0] == "because you liked Trenches (also war)"


def test_reasons_can_be_left_out() -> None:
    assert all(item.reasons == [] for item in ask({"user_id": 1, "explain": False}).items)


def test_an_answer_is_plain_json() -> None:
    payload = json.loads(json.dumps(ask({"user_id": 2, "k": 1}).payload(), allow_nan=False))
    assert payload["items"][0].keys() == {"item_id", "title", "year", "genres", "score", "reasons"}
    assert payload["items"][0]["title"] == "Giggles"


def test_a_catalogue_without_a_title_for_every_item_of_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks 2 items of the model, e.g. .11, 12"):
        Catalogue.build(tiny.encoder(), tiny.titles().slice(2), tiny.items())
