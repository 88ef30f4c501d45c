"""RMSE and MAE follow their formulas for every batch size, over all held-out ratings."""

from dataclasses import replace

import numpy as np
import pytest
from histories import DAY, Log

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.evaluation.ratings import rating_errors, rating_metrics
from recstack.evaluation.report.markdown import render_markdown
from recstack.evaluation.report.report import build_report
from recstack.features.arrays import Floats
from recstack.features.batches import UserBatch
from recstack.models.bias.model import Bias
from recstack.models.learning.biases import Biases

# User 1 has two test ratings, user 2 has one, user 3 none; item 3 occurs in the test part alone.
HISTORY = Log(
    user=np.array([1, 1, 1, 2, 2, 3]),
    item=np.array([0, 1, 3, 0, 1, 1]),
    rating=np.array([4.0, 5.0, 1.0, 2.0, 3.0, 3.5]),
    time=np.arange(6) * DAY,
    n_items=4,
)
SPLIT = ["train", "test", "test", "train", "test", "train"]


class Fixed(Bias):
    """Predicts the same ratings for all users."""

    def __init__(self, ratings: list[float]) -> None:
        items = np.array(ratings, dtype=np.float32)
        super().__init__(Biases(0.0, items, np.ones_like(items), user_shrinkage=1.0, low=1.0, high=5.0))

    def predict(self, users: UserBatch) -> Floats:
        return np.tile(self.biases.items, (len(users), 1))


@pytest.fixture(scope="module")
def cases() -> EvaluationSet:
    known = HISTORY.rows(np.array(SPLIT) == "train")
    return build_evaluation_set(
        "stratified", HISTORY.table(SPLIT, timed=False), known.live(timed=False), HISTORY.encoder()
    )


def test_targets_come_with_their_ratings_also_where_they_are_not_in_training(cases: EvaluationSet) -> None:
    assert cases.positions.tolist() == [1, 3, 1]
    assert cases.ratings.tolist() == [5.0, 1.0, 3.0]
    assert cases.relevant.tolist() == [1, -1, 1]  # the second target is not in training


def test_the_history_of_a_user_comes_with_its_ratings(cases: EvaluationSet) -> None:
    assert cases.users.seen.tolist() == [0, 0]
    assert cases.users.seen_ratings.tolist() == [4.0, 2.0]


def test_every_target_has_an_error_for_every_batch_size(cases: EvaluationSet) -> None:
    model = Fixed([3.0, 4.5, 3.0, 2.0])
    assert rating_errors(model, cases).tolist() == [-0.5, 1.0, 1.5]
    assert rating_errors(model, cases, batch_size=1).tolist() == [-0.5, 1.0, 1.5]


def test_rmse_and_mae_follow_their_formulas(cases: EvaluationSet) -> None:
    found = rating_metrics(cases, [rating_errors(Fixed([3.0, 4.5, 3.0, 2.0]), cases)])
    assert found["rmse"].mean == pytest.approx(np.sqrt((0.25 + 1.0 + 2.25) / 3))
    assert found["mae"].mean == pytest.approx((0.5 + 1.0 + 1.5) / 3)
    assert found["user_rmse"].mean == pytest.approx((np.sqrt((0.25 + 1.0) / 2) + 1.5) / 2)
    assert found["user_mae"].mean == pytest.approx((0.75 + 1.5) / 2)


def test_predictions_beyond_the_scale_are_cut_to_it(cases: EvaluationSet) -> None:
    assert rating_errors(Fixed([0.0, 9.0, 0.0, -3.0]), cases).tolist() == [0.0, 0.0, 2.0]


def test_seeds_are_averaged_and_listed_and_the_mean_lies_in_its_interval(cases: EvaluationSet) -> None:
    runs = [rating_errors(Fixed([3.0, value, 3.0, 2.0]), cases) for value in (4.5, 3.5)]
    rmse = rating_metrics(cases, runs)["rmse"]
    assert rmse.per_seed == pytest.approx([np.sqrt(np.mean(run**2)) for run in runs])
    assert rmse.mean == pytest.approx(np.mean(rmse.per_seed))
    assert rmse.ci_low <= rmse.mean <= rmse.ci_high


def test_the_interval_contains_the_figure_of_other_users() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(1, 30, size=400)
    owner = np.repeat(np.arange(400), sizes)
    errors = random.normal(scale=random.uniform(0.5, 1.5, size=400)[owner])
    cases = EvaluationSet(**{name: None for name in EvaluationSet.__dataclass_fields__})  # type: ignore[arg-type]
    offsets = np.append(0, np.cumsum(sizes))
    cases = replace(cases, user_ids=np.arange(400), relevant_offsets=offsets, positions=np.zeros(len(owner), np.int64))
    rmse = rating_metrics(cases, [errors])["rmse"]
    assert rmse.mean == pytest.approx(np.sqrt(np.mean(errors**2)))
    expected = np.sqrt(np.mean(random.uniform(0.5, 1.5, size=10**6) ** 2))
    assert rmse.ci_low < expected < rmse.ci_high
    assert rmse.ci_high - rmse.ci_low < 0.15


def test_items_outside_the_catalogue_are_left_out(cases: EvaluationSet) -> None:
    outside = replace(cases, positions=np.array([1, -1, 1]))
    errors = rating_errors(Fixed([3.0, 4.5, 3.0, 2.0]), outside)
    assert np.isnan(errors).tolist() == [False, True, False]
    assert rating_metrics(outside, [errors])["mae"].mean == pytest.approx(1.0)
    assert rating_metrics(replace(cases, positions=np.full(3, -1)), [errors]) == {}


def test_a_prediction_that_is_nan_is_refused(cases: EvaluationSet) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        rating_errors(Fixed([3.0, np.nan, 3.0, 2.0]), cases)


def test_the_report_has_a_table_of_rating_errors_with_the_smallest_first(cases: EvaluationSet) -> None:
    models = {"far": Fixed([1.0] * 4), "near": Fixed([4.0] * 4)}
    rankings = {name: [rank(model, cases)] for name, model in [*models.items(), ("unrated", models["near"])]}
    figures = {name: rating_metrics(cases, [rating_errors(model, cases)]) for name, model in models.items()}
    made = build_report("tiny", cases, rankings, {}, ratings=figures)
    assert made.models["near"]["rmse"].mean == pytest.approx(np.sqrt((1 + 9 + 1) / 3))
    assert "rmse" not in made.models["unrated"]
    second = render_markdown(made).split("\n\n")[-1].splitlines()
    assert second[0].split() == "| ratings | rmse | mae | user_rmse | user_mae |".split()
    assert [line.split()[1] for line in second[2:]] == ["near", "far"]
    assert "rmse" not in render_markdown(build_report("tiny", cases, rankings, {}))
