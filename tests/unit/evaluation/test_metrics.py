import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranx import Qrels, Run
from ranx import evaluate as ranx_evaluate

from recstack.evaluation import metrics

LOWEST = -np.inf


def rank_everything(scores: np.ndarray, relevant: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.repeat(np.arange(len(relevant)), [len(items) for items in relevant])
    offsets = np.append(0, np.cumsum([len(items) for items in relevant]))
    return metrics.ranks(scores, rows, np.concatenate(relevant).astype(int)), offsets


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_those_of_ranx(seed: int) -> None:
    random = np.random.default_rng(seed)
    n_rankings, n_items = 40, 120
    scores = random.permuted(np.tile(np.arange(n_items, dtype=np.float32), (n_rankings, 1)), axis=1)
    relevant = [random.choice(n_items, random.integers(1, 30), replace=False).tolist() for _ in range(n_rankings)]
    ours = metrics.ranking_metrics(*rank_everything(scores, relevant))

    qrels = Qrels({f"q{q:02}": {f"i{i}": 1 for i in items} for q, items in enumerate(relevant)})
    run = Run({f"q{q:02}": {f"i{i}": float(s) for i, s in enumerate(row)} for q, row in enumerate(scores)})
    theirs_names = {
        "recall@10": "recall@10",
        "recall@20": "recall@20",
        "recall@50": "recall@50",
        "precision@10": "precision@10",
        "ndcg@10": "ndcg@10",
        "ndcg@100": "ndcg@100",
        "mrr": "mrr",
        "hr@10": "hit_rate@10",
        "map@10": "map@10",
    }
    theirs = ranx_evaluate(qrels, run, list(theirs_names.values()), return_mean=False, make_comparable=False)
    assert set(ours) == {*theirs_names, "capped_recall@20", "capped_recall@50"}
    for name, their_name in theirs_names.items():
        np.testing.assert_allclose(ours[name], theirs[their_name], atol=1e-9, err_msg=name)


def test_a_ranking_worked_by_hand() -> None:
    # Relevant items at ranks 1 and 3, a third one that is not in training.
    found, offsets = rank_everything(np.array([[9.0, 8.0, 7.0, 6.0]], dtype=np.float32), [[0, 2, -1]])
    assert found.tolist() == [1.0, 3.0, np.inf]
    values = {name: value[0] for name, value in metrics.ranking_metrics(found, offsets).items()}
    best = 1 + 1 / np.log2(3) + 1 / 2
    assert values == pytest.approx(
        {
            "recall@10": 2 / 3,
            "recall@20": 2 / 3,
            "recall@50": 2 / 3,
            "capped_recall@20": 2 / 3,
            "capped_recall@50": 2 / 3,
            "precision@10": 0.2,
            "ndcg@10": (1 + 1 / 2) / best,
            "ndcg@100": (1 + 1 / 2) / best,
            "mrr": 1.0,
            "hr@10": 1.0,
            "map@10": (1 / 1 + 2 / 3) / 3,
        }
    )


def test_a_target_that_is_not_in_training_scores_zero_in_every_metric() -> None:
    values = metrics.ranking_metrics(*rank_everything(np.ones((1, 5), dtype=np.float32), [[-1]]))
    assert {name: value[0] for name, value in values.items()} == dict.fromkeys(values, 0.0)


def test_rank_11_misses_the_first_ten_but_counts_for_recall_20_and_mrr() -> None:
    scores = -np.arange(30, dtype=np.float32)[None]
    values = metrics.ranking_metrics(*rank_everything(scores, [[10]]))
    assert (values["recall@10"][0], values["hr@10"][0], values["ndcg@10"][0]) == (0.0, 0.0, 0.0)
    assert (values["recall@20"][0], values["mrr"][0]) == (1.0, 1 / 11)


def test_capped_recall_is_1_where_the_list_is_full_of_relevant_items() -> None:
    scores = -np.arange(100, dtype=np.float32)[None]
    values = metrics.ranking_metrics(*rank_everything(scores, [list(range(40))]))
    assert (values["recall@20"][0], values["capped_recall@20"][0]) == (0.5, 1.0)
    assert values["recall@50"][0] == values["capped_recall@50"][0] == values["ndcg@100"][0] == 1.0


def test_ties_go_to_the_smaller_position() -> None:
    scores = np.array([[5.0, 5.0, 7.0, 5.0]], dtype=np.float32)
    found, _ = rank_everything(scores, [[0, 1, 2, 3]])
    assert found.tolist() == [2.0, 3.0, 1.0, 4.0]


def test_a_model_with_one_score_for_all_items_gains_nothing_from_ties() -> None:
    found, _ = rank_everything(np.zeros((1, 1000), dtype=np.float32), [[999]])
    assert found.tolist() == [1000.0]


def test_an_item_that_may_not_be_ranked_is_a_miss() -> None:
    found, _ = rank_everything(np.array([[LOWEST, LOWEST, 1.0]], dtype=np.float32), [[0, 1]])
    assert found.tolist() == [np.inf, np.inf]


def test_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        rank_everything(np.array([[np.nan, 1.0]], dtype=np.float32), [[0]])


def test_a_ranking_without_relevant_items_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        metrics.ranking_metrics(np.array([1.0]), np.array([0, 1, 1]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=8))
def test_ranks_are_those_of_a_stable_sort(rows: list[list[int]]) -> None:
    scores = np.array(rows, dtype=np.float32)
    everything = [list(range(6)) for _ in rows]
    found, _ = rank_everything(scores, everything)
    order = np.argsort(-scores, axis=1, kind="stable")
    expected = np.argsort(order, axis=1) + 1
    assert found.tolist() == expected.ravel().tolist()


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    # 8 users; items chosen by 8, 2 and none of them: 0, 2 and (as if by one) 3 bits.
    lists = np.array([[0, 1], [1, 2], [0, -1]])
    assert metrics.novelty(lists, np.array([8, 2, 0]), n_users=8).tolist() == [1.0, 2.5, 0.0]


def test_popularity_bias_of_recommending_what_users_choose_is_one() -> None:
    counts = np.array([30, 10, 0])
    values = metrics.popularity_bias(np.array([[0, 1], [0, 0], [2, -1]]), counts, typical=20.0)
    assert values.tolist() == [1.0, 1.5, 0.0]


def test_coverage_counts_distinct_items_and_no_padding() -> None:
    assert metrics.coverage(np.array([[0, 1], [1, -1]]), n_items=8) == 0.25


def test_popularity_deciles_hold_equal_shares_of_the_interactions() -> None:
    counts = np.array([50, *[1] * 50])
    decile = metrics.popularity_decile(counts)
    assert decile[0] == 5  # one item has more than half of all interactions
    assert [int(counts[decile == d].sum()) for d in range(5)] == [10] * 5
