from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from recstack.evaluation.bootstrap import Interval, difference, intervals, ratio


def test_the_interval_agrees_with_the_normal_approximation_for_many_users() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(5_000, 1))
    (found,) = intervals(values)
    error = values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=error / 5)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=error / 5)


def test_about_95_of_100_intervals_contain_the_true_mean() -> None:
    random = np.random.default_rng(1)
    samples = [intervals(random.normal(0.0, 1.0, size=(80, 1)), seed=s)[0] for s in range(100)]
    assert 88 <= sum(each.low <= 0 <= each.high for each in samples) <= 100


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not() -> None:
    values = np.random.default_rng(2).random((50, 3))
    assert intervals(values, seed=4) == intervals(values, seed=4)
    assert intervals(values, seed=4) != intervals(values, seed=5)


def test_a_small_gain_for_every_user_is_beyond_noise_although_the_intervals_overlap() -> None:
    theirs = np.random.default_rng(3).random(200)
    ours = theirs + 0.01
    (mine,), (other,) = intervals(ours[:, None]), intervals(theirs[:, None])
    assert mine.low < other.high
    assert difference(ours, theirs).above_zero
    assert not difference(theirs, ours).above_zero


def test_equal_models_rarely_differ_beyond_noise() -> None:
    random = np.random.default_rng(4)
    found = [difference(random.random(80), random.random(80), seed=s).above_zero for s in range(100)]
    assert sum(found) <= 8  # 2.5 of 100 are expected


@pytest.mark.parametrize("value", [0.1, 0.7, 3.918784690943957])
@pytest.mark.parametrize("users", [3, 10, 12])
def test_the_mean_of_equal_values_lies_in_its_interval(value: float, users: int) -> None:
    same = np.full((users, 1), value)
    for found in (intervals(same)[0], ratio(same[:, 0], np.ones(users))):
        assert found.low <= found.mean <= found.high
        assert (found.low, found.high) == (pytest.approx(value), pytest.approx(value))


def test_a_ratio_is_paired_by_user() -> None:
    theirs = np.random.default_rng(5).random(100)
    found = ratio(1.2 * theirs, theirs)
    assert (found.mean, found.low, found.high) == pytest.approx((1.2, 1.2, 1.2))


def test_intervals_agree_with_scipy() -> None:
    values = np.random.default_rng(5).gamma(0.5, 0.2, size=150)  # skewed, as NDCG by user is
    (ours,) = intervals(values[:, None])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=0).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=width / 10)


@pytest.mark.parametrize(
    ("ours", "statistic"),
    [
        (difference, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis)),
        (ratio, lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis)),
    ],
    ids=["difference", "ratio"],
)
def test_paired_intervals_agree_with_scipy(
    ours: Callable[[np.ndarray, np.ndarray], Interval], statistic: Callable[..., np.ndarray]
) -> None:
    random = np.random.default_rng(6)
    base = random.gamma(0.5, 0.2, size=150)
    better = base + random.normal(0.02, 0.05, size=150)
    found = ours(better, base)
    sample = stats.bootstrap(
        (better, base), statistic, paired=True, vectorized=True, n_resamples=10_000, method="percentile", rng=0
    )
    theirs = sample.confidence_interval
    assert found.mean == pytest.approx(statistic(better, base, axis=0))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=(theirs.high - theirs.low) / 10)
