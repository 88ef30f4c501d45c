"""The named evaluation protocols: from split interactions to an `EvaluationSet`; docs/adr/0003 says why these."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.splits import BY_CHANCE, FOLD_IN, HELD_OUT_USERS
from recstack.errors import DataError
from recstack.evaluation.candidates import drawn_negatives, given_negatives
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.slices import target_slices
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.encode import Encoder
from recstack.features.profile import HALF

LiveFeatures = Callable[[pa.Table], pa.Table]
"""From (user_id, event_timestamp) to rows of `spec.schema("user")` in the same order, each computed from interactions
strictly before its timestamp; a null timestamp asks for the features from the training part, or from "fold-in"."""

Part = Literal["validation", "test"]

KNOWN: Final[dict[str, tuple[str, ...]]] = {"validation": ("train",), "test": ("train", "validation")}
"""Parts of the split that a model has learned from when it is evaluated on the key."""

GLOBAL_TIME: Final = "global-time"
LEAVE_LAST_OUT: Final = "leave-last-out"
LEAVE_LAST_OUT_SAMPLED: Final = "leave-last-out-99"
PROTOCOLS: Final = (GLOBAL_TIME, LEAVE_LAST_OUT, LEAVE_LAST_OUT_SAMPLED, *BY_CHANCE)

MAX_TARGETS: Final = 50
"""Targets of one user in global-time; users weigh the same, so more would cost time and add little."""


class _Rows(NamedTuple):
    """Interactions, sorted by (user, timestamp, item)."""

    user: Ints
    item: Ints
    """Position in the catalogue, -1 where not in it."""
    time: pa.Array
    rating: Floats

    def where(self, mask: Mask) -> "_Rows":
        return _Rows(self.user[mask], self.item[mask], self.time.filter(pa.array(mask)), self.rating[mask])


def evaluation_set(
    protocol: str,
    interactions: pa.Table,
    live_features: LiveFeatures,
    encoder: Encoder,
    part: Part = "test",
    seed: int = 0,
    max_users: int | None = None,
    item_genres: Floats | None = None,
    negatives: pa.Table | None = None,
    positive_from: float | None = None,
) -> EvaluationSet:
    """Build the rankings of one protocol.

    - global-time: every interaction of the part is the target of a ranking of its own, at most 50 a user, with the
      user's features at its timestamp.
    - leave-last-out: one ranking a user, the target is the last item.
    - leave-last-out-99: the same among the target and 99 sampled items that the user never chose.
    - held-out-users: one ranking a user of whom training knew nothing; all of the user's items in the part are
      relevant, given those in "fold-in".
    - stratified: one ranking a user, all of the user's items in the part are relevant.

    Args:
        protocol: one of `PROTOCOLS`.
        interactions: user_id, item_id, rating, timestamp (null without time) and split, any order, all parts; for
            held-out-users with the part "fold-in" (`splits.with_fold_in`).
        live_features: see `LiveFeatures`.
        encoder: of the models to be evaluated.
        part: which part holds the targets.
        seed: of the draws of targets, negatives and users.
        max_users: draw so many users where the part has more; None takes all.
        item_genres: [I, G] multi-hot, see `ItemBatch`; None leaves out the metrics and slices that need them.
        negatives: user_id and item_id of the items to rank beside each user's target in leave-last-out-99, for data
            that bring their own (such as the `.test.negative` files of the NCF paper); None draws them.
        positive_from: interactions that are rated lower are history, but neither targets nor something that models
            have learned from; None takes all.

    Raises:
        ValueError: unknown protocol, no timestamps where the protocol needs them, nothing to evaluate, or negatives
            that don't fit.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if negatives is not None and protocol != LEAVE_LAST_OUT_SAMPLED:
        raise ValueError(f"{protocol} ranks no sample, so it has no use for negatives; {LEAVE_LAST_OUT_SAMPLED} does")
    if protocol not in BY_CHANCE and interactions[c.TIMESTAMP].null_count:
        raise DataError(f"{protocol} needs a timestamp on every interaction; without time: {', '.join(BY_CHANCE)}")

    random = np.random.default_rng(seed)
    table = interactions.sort_by([(name, "ascending") for name in (c.USER_ID, c.TIMESTAMP, c.ITEM_ID)])
    rows = _Rows(
        table[c.USER_ID].to_numpy(),
        encoder.positions(table[c.ITEM_ID].to_numpy()),
        table[c.TIMESTAMP].combine_chunks(),
        table[c.RATING].to_numpy().astype(np.float32),
    )
    split = table[c.SPLIT].to_numpy(zero_copy_only=False)
    is_known, positive = np.isin(split, KNOWN[part]), _positive(table, positive_from)
    history = rows.where(split == FOLD_IN if protocol == HELD_OUT_USERS else is_known)
    learned = rows.where(is_known & positive)
    targets = _draw(rows.where((split == part) & positive), protocol, max_users, random)
    counts = np.bincount(learned.item[learned.item >= 0], minlength=len(encoder.item_ids))
    relevant = np.where((targets.item >= 0) & (counts[targets.item] > 0), targets.item, -1)
    if not (relevant >= 0).any():
        parts = " + ".join(KNOWN[part])
        why = f"none of the {len(relevant)} interactions in the {part} part is of an item that occurs in {parts}"
        if not len(relevant):
            why = f"the {part} part is empty"
        if not len(relevant) and positive_from is not None:
            why = f"the {part} part has no interaction that is rated {positive_from:g} or more"
        raise DataError(
            f"{protocol}: {why}, so there is nothing to evaluate; bring more data or choose another protocol"
        )

    if item_genres is None:
        item_genres = np.zeros((len(encoder.item_ids), 0), dtype=np.float32)
    each_alone = protocol == GLOBAL_TIME
    user_ids, first = (targets.user, np.arange(len(relevant))) if each_alone else np.unique(targets.user, True)
    times = pa.nulls(len(first), targets.time.type) if protocol in BY_CHANCE else targets.time.take(pa.array(first))
    features = live_features(pa.table({c.USER_ID: user_ids, c.EVENT_TIMESTAMP: times}))
    if len(features) != len(user_ids):
        raise ValueError(f"live_features returned {len(features)} rows for {len(user_ids)} (user, timestamp) pairs")
    users = encoder.users(features, _epoch_seconds(times), ids=user_ids)
    if not each_alone:
        # Other items of the last second are training data, yet not strictly before the target.
        offsets, seen, ratings = _items_of(history, user_ids)
        users = replace(users, seen_offsets=offsets, seen=seen, seen_ratings=ratings.astype(HALF))

    cold = np.asarray(pc.equal(pc.fill_null(features[c.RATING_COUNT], 0), 0)) & (np.diff(users.seen_offsets) == 0)
    candidates = None
    if protocol == LEAVE_LAST_OUT_SAMPLED:
        if negatives is None:
            rivals = drawn_negatives(*_items_of(rows, user_ids)[:2], counts, random)
        else:
            rivals = given_negatives(negatives, user_ids, relevant, encoder)
        candidates = np.sort(np.column_stack([relevant, rivals]), axis=1)
    return EvaluationSet(
        protocol=protocol,
        users=users,
        user_ids=user_ids,
        relevant_offsets=np.append(first, len(relevant)),
        relevant=relevant,
        places=targets.item,
        ratings=targets.rating,
        candidates=candidates,
        item_counts=counts,
        n_training_users=len(np.unique(learned.user)),
        slices={"warm": ~cold, "cold": cold},
        target_slices=target_slices(relevant, counts, item_genres, encoder.genres),
        item_genres=item_genres,
        positive_from=positive_from,
    )


def _positive(interactions: pa.Table, positive_from: float | None) -> Mask:
    if positive_from is None:
        return np.ones(len(interactions), dtype=bool)
    liked: Mask = interactions[c.RATING].to_numpy() >= np.float32(positive_from)
    return liked


def _draw(targets: _Rows, protocol: str, max_users: int | None, random: np.random.Generator) -> _Rows:
    """The targets of at most `max_users` users; in global-time at most `MAX_TARGETS` of each."""
    everybody = np.unique(targets.user)
    if max_users is not None and max_users < len(everybody):
        targets = targets.where(np.isin(targets.user, random.choice(everybody, max_users, replace=False)))
    if protocol != GLOBAL_TIME:
        return targets
    shuffled = np.lexsort((random.random(len(targets.user)), targets.user))
    nth_of_user = np.arange(len(shuffled)) - np.searchsorted(targets.user, targets.user)
    chosen = np.zeros(len(shuffled), dtype=bool)
    chosen[shuffled[nth_of_user < MAX_TARGETS]] = True
    return targets.where(chosen)


def _items_of(rows: _Rows, user_ids: Ints) -> tuple[Ints, Ints, Floats]:
    """Offsets [N + 1], items, in the catalogue, and their ratings of N ascending users."""
    mine = rows.where((rows.item >= 0) & np.isin(rows.user, user_ids))
    return np.append(np.searchsorted(mine.user, user_ids), len(mine.user)), mine.item, mine.rating


def _epoch_seconds(times: pa.Array) -> Ints:
    """Epoch seconds; 0 for null, where nothing is known that a recency could count from."""
    micros = pc.fill_null(pc.cast(pc.cast(times, pa.timestamp("us")), pa.int64()), 0)
    seconds: Ints = micros.to_numpy(zero_copy_only=False) // 1_000_000
    return seconds
