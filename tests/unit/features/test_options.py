"""What is left to the data follows from them; what a person chooses wins."""

import pytest

from recstack.data.traits import Traits
from recstack.errors import UserError
from recstack.features.options import BY_DAY_FROM, FeatureChoices, FeatureOptions
from recstack.features.training_users import TrainingFilter

TRAITS = Traits(rating_min=0.5, rating_max=5.0, positive_from=4.0, has_timestamps=True)


def test_snapshots_of_a_large_log_are_dated_by_day_unless_a_person_says_otherwise() -> None:
    assert FeatureOptions.of(TRAITS, BY_DAY_FROM - 1).snapshot_every == "interaction"
    assert FeatureOptions.of(TRAITS, BY_DAY_FROM).snapshot_every == "day"
    for every in ("interaction", "day"):
        choices = FeatureChoices.read({"snapshot_every": every})
        assert FeatureOptions.of(TRAITS, BY_DAY_FROM, choices=choices).snapshot_every == every


def test_the_training_filter_is_the_datasets_or_the_limits_that_are_named() -> None:
    assert FeatureOptions.of(TRAITS, 1, choices=FeatureChoices.read({"alpha": "0.3"})).alpha == 0.3
    typical = TRAITS.model_copy(update={"typical_users_only": True})
    assert FeatureOptions.of(typical, 1).training_filter == TrainingFilter()
    choices = FeatureChoices.read({"min_range": "2"})
    expected = TrainingFilter(lower_quantile=0, upper_quantile=1, min_range=2)
    assert FeatureOptions.of(typical, 1, choices=choices).training_filter == expected


def test_a_choice_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UserError, match="no feature option 'depth'; choose one of snapshot_every, alpha, lower"):
        FeatureChoices.read({"depth": "3"})
