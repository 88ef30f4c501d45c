"""The target decides what models are trained and evaluated on; features of users don't depend on it."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from workspace import Shop, Workspace

from recstack import columns as c
from recstack.data.splits import TRAIN, VALIDATION
from recstack.errors import DataError
from recstack.evaluation.report.markdown import render_markdown
from recstack.experiments.compare import compare
from recstack.training.dataset import training_data
from recstack.training.experiment import Experiment

BEFORE_TEST = (TRAIN, VALIDATION)


@pytest.fixture(scope="module")
def positive(shop: Workspace) -> Experiment:
    return replace(shop.experiment, target="positive", _data={}, _cases={})


def test_models_are_trained_on_positives_with_features_of_the_whole_history(
    shop: Workspace, positive: Experiment
) -> None:
    everything, positives = (experiment.data(BEFORE_TEST) for experiment in (shop.experiment, positive))
    kept = everything.rating >= Shop.fixed_traits.positive_from
    assert 0 < kept.sum() < len(kept)
    for name in ("item", "rating", "snapshot"):
        np.testing.assert_array_equal(getattr(positives, name), getattr(everything, name)[kept])
    np.testing.assert_array_equal(positives.users.recent, everything.users.recent[kept])
    lengths = np.diff(everything.users.seen_offsets)
    np.testing.assert_array_equal(np.diff(positives.users.seen_offsets), lengths[kept])
    np.testing.assert_array_equal(positives.items.popularity, everything.items.popularity)


def test_only_positives_are_targets_and_the_report_says_so(shop: Workspace, positive: Experiment) -> None:
    table = shop.table("interactions").filter(pc.field(c.SPLIT) == "test")
    liked = table.filter(pc.field(c.RATING) >= Shop.fixed_traits.positive_from)
    assert positive.cases("test").n_targets == len(liked) < shop.experiment.cases("test").n_targets == len(table)

    compared = compare(positive, ["popularity"])
    assert compared.to_json()["positive_from"] == Shop.fixed_traits.positive_from
    assert render_markdown(compared).startswith("shop, global-time, positives rated 4 or more: ")


def test_different_targets_have_different_fingerprints(shop: Workspace, positive: Experiment) -> None:
    assert positive.fingerprint != shop.experiment.fingerprint


def test_no_interaction_to_train_on_is_an_error(shop: Workspace) -> None:
    with pytest.raises(DataError, match="none of the .* to learn from is rated 9 or more.*target implicit"):
        training_data(shop.settings, shop.features, BEFORE_TEST, positive_from=9.0)
