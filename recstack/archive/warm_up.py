"""The strict questions that a model must answer before it serves; nothing that it raises is swallowed."""

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import numpy as np
import pyarrow as pa

from recstack.archive.bundle import Bundle, BundleError, Facts
from recstack.features.request_time import History, user_rows
from recstack.models.base import Recommender
from recstack.recommend import Catalogue, Engine, RatingScale
from recstack.recommend.answer import Policy

NAMED: Final = 3
"""Popular items that the anonymous user of the warm-up names; also the number of users that are scored."""
ATTEMPTS: Final = 3
"""A question is too slow if each of so many answers is: a busy machine may delay one of them."""


def check_bundle(bundle: Bundle, now: int, budget: float) -> None:
    """Check a model before it may become champion, without an online store.

    Raises:
        BundleError: the model can't be opened, or does not pass; see `check_model`.
    """

    def no_store(user_ids: Sequence[int]) -> pa.Table:
        raise AssertionError("the warm-up asks for no known user")

    facts = bundle.manifest.facts
    catalogue = Catalogue.build(bundle.encoder, bundle.catalogue, bundle.items)
    model = bundle.model(catalogue.features)
    engine = Engine(model, catalogue, no_store, facts.scale, facts.model_version, facts.timed)
    check_model(engine, model, catalogue, facts, now, budget)


def check_model(
    engine: Engine, model: Recommender, catalogue: Catalogue, facts: Facts, now: int, budget: float
) -> None:
    """Ask a model for its scores, and the engine for answers to anonymous users.

    Args:
        engine: with the model; its store is not asked.
        model: trained with `catalogue.encoder`.
        catalogue: the engine's.
        facts: of the bundle.
        now: epoch second of the requests.
        budget: seconds that an answer may take after the first.

    Raises:
        BundleError: see `check_scores` and `check_answers`.
    """
    check_scores(model, catalogue, facts.scale, now, facts.timed)
    check_answers(engine, catalogue, now, budget)


def check_scores(model: Recommender, catalogue: Catalogue, scale: RatingScale, now: int, timed: bool) -> None:
    """Score the whole catalogue for a few anonymous users who like one popular item each.

    Args:
        model: trained with `catalogue.encoder`.
        catalogue: I items.
        scale: of the ratings.
        now: epoch second of the requests.
        timed: whether the features of the training had timestamps.

    Raises:
        BundleError: the model raises, gives a NaN or infinite score, no score at all, or all items the same one.
    """
    liked = popular_items(catalogue)
    rows = user_rows([History([item], [scale.liked]) for item in liked], catalogue.item_genres, now if timed else None)
    users = catalogue.encoder.users(rows, np.full(len(rows), now))
    allowed = np.ones((len(rows), len(catalogue.titles)), dtype=bool)
    try:
        scores = model.score(users, allowed)
    except Exception as error:
        raise BundleError(f"the model can't score an anonymous user: {error!r}") from error
    if scores.shape != allowed.shape:
        raise BundleError(f"the model gives scores of shape {scores.shape}, not {allowed.shape}")
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise BundleError("the model gives scores that are not numbers (NaN or infinite)")
    if not np.isfinite(scores).any():
        raise BundleError("the model has no score for any item")
    if allowed.shape[1] > 1 and (scores == scores[:, :1]).all():
        raise BundleError(f"the model gives all items the same score, for each of {len(rows)} users")


def check_answers(engine: Engine, catalogue: Catalogue, now: int, budget: float) -> None:
    """Ask for an anonymous user with liked items, and for one who names nothing, each within the time.

    Args:
        engine: with the model; its store is not asked.
        catalogue: the engine's.
        now: epoch second of the requests.
        budget: seconds that an answer may take after the first.

    Raises:
        BundleError: an answer has another policy than it should have, or takes too long.
    """
    _check(engine, {"liked": popular_items(catalogue), "include_seen": True}, "cold_start", now, budget)
    _check(engine, {"liked": []}, "popular", now, budget)


def popular_items(catalogue: Catalogue) -> Sequence[int]:
    """Ids of the most popular items."""
    ids: list[int] = catalogue.encoder.item_ids[catalogue.most_popular[:NAMED]].tolist()
    return ids


def _check(engine: Engine, body: dict[str, object], policy: Policy, now: int, budget: float) -> None:
    request = engine.parse(body)
    seconds = []
    for _ in range(1 + ATTEMPTS):
        start = perf_counter()
        batch = engine.answer([request], now)
        seconds.append(perf_counter() - start)
        if batch.failures:
            raise BundleError(f"the model can't answer {body}: {batch.failures[0].error}")
        if batch.answers[0].policy != policy:
            raise BundleError(f"the answer to {body} is {batch.answers[0].policy}, not {policy}")
        if len(seconds) > 1 and seconds[-1] <= budget:
            return
    raise BundleError(
        f"an answer takes {min(seconds[1:]):.1f} s, and {budget:g} s are allowed (setting WARM_UP_BUDGET): {body}"
    )
