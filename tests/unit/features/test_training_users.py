import numpy as np
import pytest
from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.features.training_users import TrainingFilter, training_users


def ratings(spark: SparkSession, counts: list[int], spans: list[float]) -> DataFrame:
    """User u has counts[u] ratings whose largest and smallest differ by spans[u]."""
    rows = [
        (user, item, 1.0 + (span if item == 0 else 0.0))
        for user, (count, span) in enumerate(zip(counts, spans, strict=True))
        for item in range(count)
    ]
    return spark.createDataFrame(rows, f"{c.USER_ID} long, {c.ITEM_ID} long, {c.RATING} float")


def chosen(frame: DataFrame, limits: TrainingFilter) -> list[int]:
    return sorted(row[c.USER_ID] for row in training_users(frame, limits).collect())


def test_users_between_the_quantiles_of_count_with_a_wide_enough_range_are_chosen(spark: SparkSession) -> None:
    random = np.random.default_rng(0)
    counts = random.integers(2, 40, 101)
    spans = random.choice([0.0, 2.5, 3.0, 4.0], 101)
    low, high = np.quantile(counts, [0.2, 0.8], method="inverted_cdf")
    right = np.flatnonzero((counts >= low) & (counts <= high) & (spans >= 3.0))
    frame = ratings(spark, counts.tolist(), spans.tolist())
    assert chosen(frame, TrainingFilter()) == right.tolist()
    assert 0 < len(right) < len(counts)


def test_both_ends_belong_to_the_range(spark: SparkSession) -> None:
    frame = ratings(spark, [2, 3, 4, 5, 6], [3.0] * 5)
    limits = TrainingFilter(lower_quantile=0.4, upper_quantile=0.8)
    assert chosen(frame, limits) == [1, 2, 3]


def test_the_widest_limits_keep_all_users(spark: SparkSession) -> None:
    frame = ratings(spark, [1, 2, 30], [0.0, 0.0, 4.0])
    assert chosen(frame, TrainingFilter(lower_quantile=0, upper_quantile=1, min_range=0)) == [0, 1, 2]


def test_without_interactions_no_user_is_chosen(spark: SparkSession) -> None:
    assert chosen(ratings(spark, [0], [0.0]), TrainingFilter()) == []


@pytest.mark.parametrize("wrong", [{"lower_quantile": -0.1}, {"upper_quantile": 1.2}, {"min_rnage": 1}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingFilter(**wrong)
