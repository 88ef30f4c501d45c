"""Answers requests: reads features, scores, ranks and explains; if a part of that fails, popular items are served."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import numpy as np
import pyarrow as pa

from recstack import columns as c
from recstack.features import spec
from recstack.features.arrays import Ints, Mask
from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.features.request_time import History, user_rows
from recstack.models.base import Recommender
from recstack.recommend.answer import Answer, AnsweredBatch, Failure, Item, Policy, iso_utc
from recstack.recommend.catalogue import Catalogue
from recstack.recommend.clock import count_ages_from
from recstack.recommend.filters import allowed_items
from recstack.recommend.ranking import NOTHING, RankedItems
from recstack.recommend.reasons import Reasons
from recstack.recommend.request import RatingScale, Request

ReadUsers = Callable[[Sequence[int]], pa.Table]

# Why a request gets popular items; the log has one of these for each.
UNREADABLE: Final = "the online store could not be read"
NO_FEATURES: Final = "the online store has no features of this user"
NOTHING_NAMED: Final = "the request names no item of the catalogue"
NOT_SCORED: Final = "the model could not score the request"
NO_SCORES: Final = "the model has no score for an allowed item"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Stored:
    """Features from the online store for B users."""

    rows: pa.Table
    """B rows of `spec.schema("user")` and event_timestamp; nulls where a user has no features."""
    failure: Failure | None = None
    """Why no user has features."""


@dataclass(frozen=True)
class _Scored:
    """One request with the model's ranking."""

    user: UserBatch
    """A batch of one."""
    allowed: Mask
    """[I]"""
    best: RankedItems
    """The model's best items, as it named them; none where it could not score."""
    failure: Failure | None = None
    """Why it could not score."""


class Engine:
    """Answers requests with one model and its catalogue."""

    def __init__(
        self,
        model: Recommender,
        catalogue: Catalogue,
        read_users: ReadUsers,
        scale: RatingScale,
        model_version: str,
        timed: bool,
        log_end: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Bind the parts.

        Args:
            model: trained with `catalogue.encoder`.
            catalogue: items, titles and features.
            read_users: B user ids to B rows of `spec.schema("user")` and event_timestamp, nulls for unknown users;
                may raise: the batch is then answered with popular items.
            scale: ratings that anonymous users may give.
            model_version: shown in every answer.
            timed: whether the features have timestamps; without them anonymous users get no recency.
            log_end: gives the epoch second of the last interaction that is known, see `clock`; None if unknown.
        """
        self._model = model
        self._catalogue = catalogue
        self._read_users = read_users
        self._scale = scale
        self._version = model_version
        self._timed = timed
        self._log_end = log_end
        self._schema_digest = spec.schema_digest()
        self._reasons = Reasons(catalogue, model, scale.liked)

    def parse(self, body: object) -> Request:
        """Check a request body against this catalogue.

        Raises:
            BadRequestError: names the field and the reason.
        """
        return Request.parse(body, self._catalogue.encoder.genres, self._scale)

    def answer(self, requests: Sequence[Request], now: int) -> AnsweredBatch:
        """Answer B requests with one feature read.

        Args:
            requests: checked by `parse`.
            now: epoch second; recency counts from it, or from a day after what is known ended, see `clock`.

        Returns:
            k distinct allowed items for each request, fewer only where fewer exist. Scores descend; where popular
            items fill up a personal list, they go on below its last score.
        """
        if not requests:
            return AnsweredBatch([], 0.0, 0.0, 0, [])
        users_first = sorted(range(len(requests)), key=lambda number: requests[number].user_id is None)
        ordered = [requests[number] for number in users_first]
        user_ids = [request.user_id for request in ordered if request.user_id is not None]
        start = perf_counter()
        stored = self._read(user_ids)
        read = perf_counter()
        rows, as_of = self._features(stored.rows, ordered[len(user_ids) :], now)
        ages_from = count_ages_from(now, self._log_end(), rows[c.LAST_INTERACTION].to_numpy().astype(float))
        has_history = rows[c.RATING_COUNT].to_numpy().astype(float) > 0  # false for NaN
        answers: dict[int, Answer] = {}
        why_missing = UNREADABLE if stored.failure else NO_FEATURES
        failures = [stored.failure] * len(user_ids) if stored.failure else []
        for row, scored in enumerate(self._score(ordered, rows, ages_from)):
            request = ordered[row]
            why_popular = "" if has_history[row] else NOTHING_NAMED if request.user_id is None else why_missing
            failures += [scored.failure] if scored.failure else []
            answers[users_first[row]] = self._answer(request, scored, as_of[row], why_popular)
        return AnsweredBatch(
            answers=[answers[number] for number in range(len(requests))],
            feature_read_ms=(read - start) * 1e3,
            scoring_ms=(perf_counter() - read) * 1e3,
            missing_features=0 if stored.failure else int((~has_history[: len(user_ids)]).sum()),
            failures=failures,
        )

    def _read(self, user_ids: Sequence[int]) -> _Stored:
        if not user_ids:
            return _Stored(_without_features(0))
        try:
            rows = self._read_users(user_ids).select([*spec.names("user"), c.EVENT_TIMESTAMP])
            if len(rows) != len(user_ids):
                raise ValueError(f"the store returned {len(rows)} rows for {len(user_ids)} users")
            return _Stored(rows)
        except Exception as error:  # the answer goes out whatever is wrong with the store
            log.exception("features of %d users could not be read", len(user_ids))
            return _Stored(_without_features(len(user_ids)), Failure("store", repr(error)))

    def _features(
        self, stored: pa.Table, anonymous: Sequence[Request], now: int
    ) -> tuple[pa.Table, list[datetime | None]]:
        """Features of stored and then of anonymous users, and from when on they were known."""
        rows = stored.drop_columns([c.EVENT_TIMESTAMP])
        if anonymous:
            histories = [self._history(request) for request in anonymous]
            requested = user_rows(histories, self._catalogue.item_genres, now if self._timed else None)
            rows = pa.concat_tables([rows, requested]).combine_chunks()
        return rows, [*stored[c.EVENT_TIMESTAMP].to_pylist(), *[datetime.fromtimestamp(now, UTC)] * len(anonymous)]

    def _history(self, request: Request) -> History:
        named = request.history(self._scale)
        kept = [(item, rating) for item, rating in zip(named.item_ids, named.ratings, strict=True) if self._has(item)]
        return History([item for item, _ in kept], [rating for _, rating in kept])

    def _has(self, item_id: int) -> bool:
        return bool(self._catalogue.encoder.positions([item_id])[0] >= 0)

    def _score(self, requests: Sequence[Request], rows: pa.Table, ages_from: Ints) -> list[_Scored]:
        try:
            ids = np.array([-1 if request.user_id is None else request.user_id for request in requests])
            users = self._catalogue.encoder.users(rows, ages_from, ids=ids)
            allowed = allowed_items(requests, users, self._catalogue)
            best, scores = self._model.best(users, allowed, max(request.k for request in requests))
            return [
                _Scored(users[row : row + 1], allowed[row], RankedItems(best[row], scores[row]))
                for row in range(len(rows))
            ]
        except Exception as error:
            if len(rows) > 1:  # one broken row must not cost the others their answer
                alone = [slice(row, row + 1) for row in range(len(rows))]
                return [self._score(requests[one], rows[one], ages_from[one])[0] for one in alone]
            log.exception("the request of user %s could not be scored", requests[0].user_id)
            return [self._unscored(requests[0], rows, ages_from, Failure("model", repr(error)))]

    def _unscored(self, request: Request, row: pa.Table, ages_from: Ints, failure: Failure) -> _Scored:
        """A request without scores; the seen items of its row are left out if they can be read."""
        blank = empty_rows(1)
        seen = blank.set_column(blank.schema.get_field_index(c.SEEN_ITEMS), c.SEEN_ITEMS, row[c.SEEN_ITEMS])
        for candidate in (seen, blank):
            try:
                user = self._catalogue.encoder.users(candidate, ages_from)
                break
            except Exception:
                log.exception("the seen items of user %s cannot be read", request.user_id)
        return _Scored(user, allowed_items([request], user, self._catalogue)[0], NOTHING, failure)

    def _answer(self, request: Request, scored: _Scored, as_of: datetime | None, why_popular: str) -> Answer:
        personal = NOTHING if why_popular else scored.best.usable(scored.allowed, request.k)
        if len(personal):
            policy: Policy = "cold_start" if request.user_id is None else "personal"
        else:
            policy, as_of = "popular", self._catalogue.as_of
            why = why_popular or (NOT_SCORED if scored.failure else NO_SCORES)
            who = "an anonymous user" if request.user_id is None else f"user {request.user_id}"
            log.info("popular items for %s: %s", who, why)
        popular = personal.popular(scored.allowed, request.k, self._catalogue)
        unknown = [item for item in request.history(self._scale).item_ids if not self._has(item)]
        items = self._items(request, scored.user, personal, popular)
        return Answer(self._version, self._schema_digest, policy, iso_utc(as_of), items, unknown)

    def _items(self, request: Request, user: UserBatch, personal: RankedItems, popular: RankedItems) -> list[Item]:
        ranking = personal.followed_by(popular)
        reasons: list[list[str]] = [[]] * len(ranking)
        if request.explain:
            reasons = self._reasons.personal(user, personal.positions) if len(personal) else []
            reasons += [self._reasons.popular(position) for position in popular.positions.tolist()]
        ranked = zip(ranking.positions.tolist(), ranking.scores.tolist(), reasons, strict=True)
        return [self._item(position, score, why) for position, score, why in ranked]

    def _item(self, position: int, score: float, reasons: Sequence[str]) -> Item:
        facts = self._catalogue
        return Item(
            item_id=int(facts.encoder.item_ids[position]),
            title=facts.titles[position],
            year=facts.years[position],
            genres=facts.genres[position],
            score=round(score, 6),
            reasons=reasons,
        )


def _without_features(count: int) -> pa.Table:
    return empty_rows(count).append_column(c.EVENT_TIMESTAMP, pa.nulls(count, pa.timestamp("us", tz="UTC")))
