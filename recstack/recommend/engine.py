"""Answers requests: features, candidates allowed, scores, top k, reasons; popular items whenever the rest fails."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recstack import columns as c
from recstack.features import spec
from recstack.features.arrays import Floats, Ints
from recstack.features.batches import UserBatch
from recstack.features.encode import empty_rows
from recstack.features.request_time import History, user_rows
from recstack.models.base import Recommender
from recstack.recommend.catalogue import Catalogue
from recstack.recommend.reasons import Reasons
from recstack.recommend.request import RatingScale, Request

Policy = Literal["personal", "cold_start", "popular"]
ReadUsers = Callable[[Sequence[int]], pa.Table]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """One recommended item."""

    item_id: int
    title: str
    year: int | None
    genres: Sequence[str]
    score: float
    reasons: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """What one request gets. `policy` says what the ranking is based on."""

    model_version: str
    feature_version: str
    policy: Policy
    features_as_of: str | None
    """ISO 8601: when the features behind the ranking became knowable (the user's, or the items' if popular)."""
    items: Sequence[Item]
    unknown_items: Sequence[int]
    """Items that a stranger named and the catalogue does not have."""

    def payload(self) -> dict[str, Any]:
        """The answer as plain values for JSON."""
        return {**vars(self), "items": [vars(item) for item in self.items]}  # `asdict` copies every list, item by item


@dataclass(frozen=True)
class Batch:
    """Answers in the order of the requests, and what the batch cost."""

    answers: Sequence[Answer]
    feature_read_ms: float
    scoring_ms: float
    missing_features: int
    """Requests by user_id for which no features were found or could be read."""


@dataclass(frozen=True)
class _Scored:
    user: UserBatch
    allowed: npt.NDArray[np.bool_]
    best: Ints
    """[k] positions of the model's best items; none where the features or the model failed."""
    scores: Floats
    """[k] their scores, -inf where fewer items are allowed."""


class Engine:
    """A model, its catalogue and a way to read user features."""

    def __init__(
        self,
        model: Recommender,
        catalogue: Catalogue,
        read_users: ReadUsers,
        scale: RatingScale,
        model_version: str,
        timed: bool,
    ) -> None:
        """Bind the parts.

        Args:
            model: trained with `catalogue.encoder`.
            catalogue: items, titles and features.
            read_users: B user ids to B rows of `spec.schema("user")` and event_timestamp, nulls for unknown users;
                may raise: the batch is then answered with popular items.
            scale: ratings that strangers may give.
            model_version: shown in every answer.
            timed: whether the training data had timestamps; strangers get no recency where it had none.
        """
        self._model = model
        self._catalogue = catalogue
        self._read_users = read_users
        self._scale = scale
        self._version = model_version
        self._timed = timed
        self._schema_digest = spec.schema_digest()
        self._reasons = Reasons(catalogue, model, scale.liked)

    def parse(self, body: object) -> Request:
        """Check a request body against this catalogue.

        Raises:
            BadRequestError: names the field and the reason.
        """
        return Request.parse(body, self._catalogue.encoder.genres, self._scale)

    def answer(self, requests: Sequence[Request], now: int) -> Batch:
        """Answer B requests with one feature read.

        Args:
            requests: checked by `parse`.
            now: epoch second; recency counts from it.

        Returns:
            k distinct allowed items for each request, fewer only where fewer exist. Scores descend; where popular
            items fill up a personal list, they go on below its last score.
        """
        if not requests:
            return Batch([], 0.0, 0.0, 0)
        users_first = sorted(range(len(requests)), key=lambda place: requests[place].user_id is None)
        ordered = [requests[place] for place in users_first]
        start = perf_counter()
        stored = self._stored([request.user_id for request in ordered if request.user_id is not None])
        read = perf_counter()
        strangers = [self._history(request) for request in ordered if request.user_id is None]
        rows = stored.drop_columns([c.EVENT_TIMESTAMP])
        if strangers:
            told = user_rows(strangers, self._catalogue.item_genres, now if self._timed else None)
            rows = pa.concat_tables([rows, told]).combine_chunks()
        known = rows[c.RATING_COUNT].to_numpy().astype(float) > 0  # no number is not above 0
        stamps = [*stored[c.EVENT_TIMESTAMP].to_pylist(), *[datetime.fromtimestamp(now, UTC)] * len(strangers)]
        answers = {
            place: self._answer(request, scored, known[row], stamps[row])
            for row, (place, request, scored) in enumerate(
                zip(users_first, ordered, self._score(ordered, rows, now), strict=True)
            )
        }
        return Batch(
            answers=[answers[place] for place in range(len(requests))],
            feature_read_ms=(read - start) * 1e3,
            scoring_ms=(perf_counter() - read) * 1e3,
            missing_features=int((~known[: len(stored)]).sum()),
        )

    def _stored(self, user_ids: Sequence[int]) -> pa.Table:
        if user_ids:
            try:
                rows = self._read_users(user_ids).select([*spec.names("user"), c.EVENT_TIMESTAMP])
                if len(rows) != len(user_ids):
                    raise ValueError(f"the store returned {len(rows)} rows for {len(user_ids)} users")
                return rows
            except Exception:  # whatever the store suffers from, the answer goes out
                log.exception("features of %d users could not be read; popular items are served", len(user_ids))
        stamps = pa.nulls(len(user_ids), pa.timestamp("us", tz="UTC"))
        return empty_rows(len(user_ids)).append_column(c.EVENT_TIMESTAMP, stamps)

    def _history(self, request: Request) -> History:
        told = request.history(self._scale)
        kept = [(item, rating) for item, rating in zip(told.item_ids, told.ratings, strict=True) if self._has(item)]
        return History([item for item, _ in kept], [rating for _, rating in kept])

    def _has(self, item_id: int) -> bool:
        return bool(self._catalogue.encoder.positions([item_id])[0] >= 0)

    def _score(self, requests: Sequence[Request], rows: pa.Table, now: int) -> list[_Scored]:
        try:
            ids = np.array([-1 if request.user_id is None else request.user_id for request in requests])
            users = self._catalogue.encoder.users(rows, np.full(len(rows), now), ids=ids)
            allowed = self._allowed(requests, users)
            best, scores = self._model.best(users, allowed, max(request.k for request in requests))
            return [_Scored(users[i : i + 1], allowed[i], best[i], scores[i]) for i in range(len(rows))]
        except Exception:
            if len(rows) > 1:  # one broken row must not cost the others their answer
                parts = [self._score(requests[i : i + 1], rows[i : i + 1], now) for i in range(len(rows))]
                return [scored for part in parts for scored in part]
            log.exception("user %s could not be scored; popular items are served", requests[0].user_id)
        return [self._unscored(requests, rows, now)]

    def _unscored(self, requests: Sequence[Request], row: pa.Table, now: int) -> _Scored:
        """Of a row that cannot be encoded the seen items may still be good."""
        blank = empty_rows(1)
        seen = blank.set_column(blank.schema.get_field_index(c.SEEN_ITEMS), c.SEEN_ITEMS, row[c.SEEN_ITEMS])
        for candidate in (seen, blank):
            try:
                user = self._catalogue.encoder.users(candidate, np.array([now]))
                break
            except Exception:
                log.exception("the seen items of user %s cannot be read", requests[0].user_id)
        return _Scored(user, self._allowed(requests, user)[0], *_NOTHING)

    def _allowed(self, requests: Sequence[Request], users: UserBatch) -> npt.NDArray[np.bool_]:
        allowed = users.unseen(len(self._catalogue.titles))
        for row, request in enumerate(requests):
            if request.include_seen:
                allowed[row] = True
            if request.genres:
                allowed[row] &= self._catalogue.carrying(request.genres)
            if request.exclude:
                places = self._catalogue.encoder.positions(request.exclude)
                allowed[row, places[places >= 0]] = False
        return allowed

    def _answer(self, request: Request, scored: _Scored, known: bool, stamp: datetime | None) -> Answer:
        personal, scores = _NOTHING
        if known:
            usable = np.isfinite(scored.scores) & scored.allowed[scored.best]
            personal, scores = scored.best[usable][: request.k], scored.scores[usable][: request.k]
        policy: Policy = "popular"
        if len(personal):
            policy = "cold_start" if request.user_id is None else "personal"
        else:
            stamp = self._catalogue.as_of
        filling, filling_scores = self._popular(request.k, scored.allowed, personal, scores)
        places = np.concatenate([personal, filling]).tolist()
        reasons: list[list[str]] = [[]] * len(places)
        if request.explain:
            reasons = self._reasons.personal(scored.user, personal) if len(personal) else []
            reasons += [self._reasons.popular(place) for place in filling.tolist()]
        values = np.concatenate([scores, filling_scores]).tolist()
        items = [self._item(*each) for each in zip(places, values, reasons, strict=True)]
        unknown = [item for item in request.history(self._scale).item_ids if not self._has(item)]
        return Answer(self._version, self._schema_digest, policy, _iso(stamp), items, unknown)

    def _popular(self, k: int, allowed: npt.NDArray[np.bool_], personal: Ints, scores: Floats) -> tuple[Ints, Floats]:
        """The most popular allowed items that are not among the personal ones, as many as are missing to k."""
        if len(personal) == k:
            return _NOTHING
        free = allowed.copy()
        free[personal] = False
        order = self._catalogue.most_popular
        filling = order[free[order]][: k - len(personal)]
        popularity = self._catalogue.popularity
        if len(personal):
            return filling, scores[-1] - (popularity.max() - popularity[filling])
        return filling, popularity[filling]

    def _item(self, place: int, score: float, reasons: Sequence[str]) -> Item:
        about = self._catalogue
        item_id = int(about.encoder.item_ids[place])
        return Item(item_id, about.titles[place], about.years[place], about.genres[place], round(score, 6), reasons)


_NOTHING: tuple[Ints, Floats] = np.zeros(0, np.int64), np.zeros(0, np.float32)


def _iso(stamp: datetime | None) -> str | None:
    if stamp is None:
        return None
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")
