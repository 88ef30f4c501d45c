"""A model that does not pass the warm-up is not opened; each planted model breaks one rule."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny_catalogue as tiny
from scipy import sparse

from recstack.archive.bundle import Bundle, BundleError, Facts, write_bundle
from recstack.archive.warm_up import check_answers, check_bundle, check_scores
from recstack.features.arrays import Floats, Mask
from recstack.features.batches import UserBatch
from recstack.models.item_item.model import ItemItem
from recstack.recommend import Engine


class Planted(ItemItem):
    """Scores like the tiny model, changed by a function of the scores."""

    change: ClassVar[Callable[[Floats], Any]]

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        changed: Floats = type(self).change(super().score(users, allowed))
        return changed


def planted(change: Callable[[Floats], Any]) -> ItemItem:
    kind = type("Planted", (Planted,), {"change": staticmethod(change)})
    good = tiny.model()
    model: ItemItem = kind(good.similarity, good.popularity)
    return model


def engine(model: ItemItem) -> Engine:
    return Engine(model, tiny.catalogue(), tiny.users, tiny.SCALE, "7", timed=True)


def raises(scores: Floats) -> Floats:
    raise FloatingPointError("the model is broken")


def some_nan(scores: Floats) -> Floats:
    return np.where(np.arange(scores.shape[1]) == 3, np.float32(np.nan), scores)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (raises, "can't score an anonymous user: FloatingPointError.'the model is broken'"),
        (some_nan, "not numbers"),
        (lambda scores: scores + np.inf, "not numbers"),
        (lambda scores: scores - np.inf, "no score for any item"),
        (np.zeros_like, "gives all items the same score, for each of 3 users"),
        (lambda scores: scores[:, 1:], r"scores of shape \(3, 11\), not \(3, 12\)"),
    ],
    ids=["raises", "NaN for one item", "infinite", "no score", "all equal", "other shape"],
)
def test_a_model_without_usable_scores_is_refused(change: Callable[[Floats], Any], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        check_scores(planted(change), tiny.catalogue(), tiny.SCALE, tiny.NOW, timed=True)


def test_a_model_that_raises_for_some_requests_is_refused() -> None:
    with pytest.raises(BundleError, match="the model can't answer .*FloatingPointError"):
        check_answers(engine(planted(raises)), tiny.catalogue(), tiny.NOW, budget=60)


def test_a_model_whose_anonymous_users_get_popular_items_is_refused() -> None:
    with pytest.raises(BundleError, match="'liked': .11, 12, 21.* is popular, not cold_start"):
        check_answers(engine(planted(lambda scores: scores - np.inf)), tiny.catalogue(), tiny.NOW, budget=60)


def test_a_model_that_is_slower_than_the_budget_is_refused_and_the_first_answer_does_not_count() -> None:
    naps = iter([0.6, 0.6, 0.6, 0.6])

    def sleepy(scores: Floats) -> Floats:
        time.sleep(next(naps, 0))
        return scores

    with pytest.raises(BundleError, match=r"an answer takes .* s, and 0.5 s are allowed \(setting WARM_UP_BUDGET\)"):
        check_answers(engine(planted(sleepy)), tiny.catalogue(), tiny.NOW, budget=0.5)
    naps = iter([0.6, 0.6])  # the first, and one that the machine delayed
    check_answers(engine(planted(sleepy)), tiny.catalogue(), tiny.NOW, budget=0.5)


def test_a_good_model_passes() -> None:
    check_scores(tiny.model(), tiny.catalogue(), tiny.SCALE, tiny.NOW, timed=True)
    check_answers(engine(tiny.model()), tiny.catalogue(), tiny.NOW, budget=60)


def test_a_bundle_is_checked_without_a_store_before_its_model_may_become_champion(tmp_path: Path) -> None:
    facts = Facts(
        model_version="1",
        dataset="tiny",
        generation="00000000",
        timed=True,
        scale=tiny.SCALE,
        config={},
        data_fingerprint="",
        run_id=None,
    )
    nothing = sparse.csr_array((len(tiny.IDS), len(tiny.IDS)), dtype=np.float32)
    useless = ItemItem(nothing, np.zeros(len(tiny.IDS), np.float32))
    for name, model in (("good", tiny.model()), ("bad", useless)):
        (tmp_path / name).mkdir()
        write_bundle(tmp_path / name, model, tiny.encoder(), tiny.titles(), tiny.items(), facts)
    check_bundle(Bundle.read(tmp_path / "good"), tiny.NOW, budget=60)
    with pytest.raises(BundleError, match="all items the same score"):
        check_bundle(Bundle.read(tmp_path / "bad"), tiny.NOW, budget=60)
