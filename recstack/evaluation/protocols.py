"""Builds the evaluation set of each named protocol from split interactions; docs/adr/0003 says why these protocols."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.splits import (
    AT_RANDOM,
    FOLD_IN,
    GLOBAL_TIME,
    HELD_OUT_USERS,
    LEAVE_LAST_OUT_99,
    PROTOCOLS,
    TEST,
    TRAIN,
    VALIDATION,
)
from recstack.errors import DataError
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.negatives import draw_negatives, read_negatives
from recstack.evaluation.slices import target_slices
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import Users
from recstack.features.encode import Encoder

UsersBefore = Callable[[Ints, Ints | None, Ints], Users]
"""Maps N user ids, seconds and times from which ages count to the users as they were, see `users_as_of.users_before`.
Without seconds all is known that the protocol lets models know of a user: see `histories_of`."""

Part = Literal["validation", "test"]

TRAINED_PARTS: Final[dict[Part, tuple[str, ...]]] = {VALIDATION: (TRAIN,), TEST: (TRAIN, VALIDATION)}
"""Parts of the split that models are trained on before they are evaluated on the key."""


def histories_of(protocol: str, part: Part) -> tuple[str, ...] | None:
    """Parts of the split that the features of a ranking may know; None: all, strictly before the target's second."""
    if protocol == GLOBAL_TIME:
        return None
    return (FOLD_IN,) if protocol == HELD_OUT_USERS else TRAINED_PARTS[part]


MAX_TARGETS: Final = 50
"""Targets of one user in global-time; all users have the same weight, so more would cost time and add little."""

MAX_RANKINGS: Final = 20_000
"""Rankings of a part: of more users, so many are drawn, and of more targets in global-time fewer of each user. The
interval of a mean over them is narrow enough."""


class _Rows(NamedTuple):
    """Interactions, sorted by (user, timestamp, item)."""

    user: Ints
    item: Ints
    """Position in the catalogue, -1 where not in it."""
    time: pa.Array
    rating: Floats

    def where(self, mask: Mask) -> "_Rows":
        return _Rows(self.user[mask], self.item[mask], self.time.filter(pa.array(mask)), self.rating[mask])


def build_evaluation_set(
    protocol: str,
    interactions: pa.Table,
    users_before: UsersBefore,
    encoder: Encoder,
    part: Part = TEST,
    seed: int = 0,
    item_genres: Floats | None = None,
    negatives: pa.Table | None = None,
    positive_from: float | None = None,
) -> EvaluationSet:
    """Build the rankings of one protocol.

    - global-time: one ranking per interaction of the part, at most 50 per user, and fewer where these are more than
      `MAX_RANKINGS`. The interaction is the target; the
      user's features are those at its timestamp.
    - leave-last-out: one ranking per user; the target is the user's last item. The features know all others that
      training has of the user, also those of the target's own second.
    - leave-last-out-99: the same, among the target and 99 sampled items that the user never chose.
    - held-out-users: one ranking per user; training saw none of these users. Their items in "fold-in" are the history,
      all their items in the part are relevant.
    - stratified: one ranking per user; all of the user's items in the part are relevant.

    Of a part with targets of more than `MAX_RANKINGS` users, the targets of so many users are drawn.
    An interaction with an item that the user had chosen before is no target: seen items are not ranked.

    Args:
        protocol: one of `PROTOCOLS`.
        interactions: user_id, item_id, rating, timestamp (null in data without time) and split, in any order, with
            all parts; for held-out-users with the part "fold-in" (`split_at_random.with_fold_in`).
        users_before: see `UsersBefore`.
        encoder: of the models to be evaluated.
        part: the part that holds the targets.
        seed: of the draws of targets and negatives.
        item_genres: [I, G] multi-hot, see `ItemBatch`; None leaves out the metrics and slices that need genres.
        negatives: user_id and item_id of the items to rank beside each user's target in leave-last-out-99, where the
            dataset has its own (such as the `.test.negative` files of the NCF paper); None draws them.
        positive_from: interactions with a lower rating stay in the history, but are no targets and count as not
            trained on; None takes all.

    Raises:
        ValueError: unknown protocol, or negatives for a protocol that ranks no sample.
        DataError: no timestamps where the protocol needs them, nothing to evaluate, or negatives that don't fit.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if negatives is not None and protocol != LEAVE_LAST_OUT_99:
        raise ValueError(f"{protocol} ranks the whole catalogue and takes no negatives; {LEAVE_LAST_OUT_99} does")
    if protocol not in AT_RANDOM and interactions[c.TIMESTAMP].null_count:
        raise DataError(f"{protocol} needs a timestamp on every interaction; without time: {', '.join(AT_RANDOM)}")

    random = np.random.default_rng(seed)
    table = interactions.sort_by([(name, "ascending") for name in (c.USER_ID, c.TIMESTAMP, c.ITEM_ID)])
    rows = _Rows(
        table[c.USER_ID].to_numpy(),
        encoder.positions(table[c.ITEM_ID].to_numpy()),
        table[c.TIMESTAMP].combine_chunks(),
        table[c.RATING].to_numpy().astype(np.float32),
    )
    split = table[c.SPLIT].to_numpy(zero_copy_only=False)
    in_training, positive = np.isin(split, TRAINED_PARTS[part]), _is_positive(table, positive_from)
    trained = rows.where(in_training & positive)
    in_part = (split == part) & positive
    pairs = _pairs(rows)
    known_parts = histories_of(protocol, part)
    if known_parts is None:
        seen_before = _in_an_earlier_second(rows)
    else:
        seen_before = np.isin(pairs, pairs[np.isin(split, known_parts)])
    targets = rows.where(in_part & ~seen_before)
    n_repeated = int((in_part & seen_before).sum())
    n_part_users, n_part_targets = len(np.unique(targets.user)), len(targets.user)
    targets = _limit_users(targets, random)
    if protocol == GLOBAL_TIME:
        targets = _limit_targets(targets, random)
    counts = np.bincount(trained.item[trained.item >= 0], minlength=len(encoder.item_ids))
    relevant = np.where((targets.item >= 0) & (counts[targets.item] > 0), targets.item, -1)
    if not (relevant >= 0).any():
        raise _nothing_to_evaluate(protocol, part, len(relevant), positive_from, n_repeated)

    if item_genres is None:
        item_genres = np.zeros((len(encoder.item_ids), 0), dtype=np.float32)
    one_target_each = protocol == GLOBAL_TIME
    user_ids, first = (targets.user, np.arange(len(relevant))) if one_target_each else np.unique(targets.user, True)
    as_of = np.zeros(len(first), np.int64) if protocol in AT_RANDOM else _epoch_seconds(targets.time)[first]
    users = users_before(user_ids, as_of if protocol == GLOBAL_TIME else None, as_of)
    if len(users) != len(user_ids):
        raise ValueError(f"{len(users)} users were given for {len(user_ids)} rankings")
    cold = users.known == 0
    candidates = None
    if protocol == LEAVE_LAST_OUT_99:
        if negatives is None:
            others = draw_negatives(*_items_of(rows, user_ids), counts, random)
        else:
            others = read_negatives(negatives, user_ids, relevant, encoder)
        candidates = np.sort(np.column_stack([relevant, others]), axis=1)
    return EvaluationSet(
        protocol=protocol,
        users=users,
        user_ids=user_ids,
        relevant_offsets=np.append(first, len(relevant)),
        relevant=relevant,
        positions=targets.item,
        ratings=targets.rating,
        candidates=candidates,
        item_counts=counts,
        n_training_users=len(np.unique(trained.user)),
        slices={"warm": ~cold, "cold": cold},
        target_slices=target_slices(relevant, counts, item_genres, encoder.genres),
        item_genres=item_genres,
        positive_from=positive_from,
        as_of=None if protocol in AT_RANDOM else as_of,
        n_repeated=n_repeated,
        n_part_users=n_part_users,
        n_part_targets=n_part_targets,
    )


def _in_an_earlier_second(rows: _Rows) -> Mask:
    """Where the user had chosen the same item in an earlier second."""
    second = _epoch_seconds(rows.time)
    _, first, pair = np.unique(_pairs(rows), return_index=True, return_inverse=True)
    return np.asarray(second > second[first][pair])  # rows are sorted by time: the first one is the oldest


def _pairs(rows: _Rows) -> Ints:
    """A number for each user and item; items are below 2^32, see `contract.MAX_ITEM_ID`."""
    owner = np.cumsum(np.diff(rows.user, prepend=rows.user[:1]) != 0)  # user ids may be too large to be shifted
    return (owner << 32) + rows.item


def _is_positive(interactions: pa.Table, positive_from: float | None) -> Mask:
    if positive_from is None:
        return np.ones(len(interactions), dtype=bool)
    well_rated: Mask = interactions[c.RATING].to_numpy() >= np.float32(positive_from)
    return well_rated


def _nothing_to_evaluate(
    protocol: str, part: Part, n_targets: int, positive_from: float | None, n_repeated: int
) -> DataError:
    if n_repeated and not n_targets:
        why = f"all {n_repeated} interactions in the {part} part are with items that their users had chosen before"
    elif n_targets:
        parts = " + ".join(TRAINED_PARTS[part])
        why = f"none of the {n_targets} interactions in the {part} part is of an item that occurs in {parts}"
    elif positive_from is not None:
        why = f"the {part} part has no interaction that is rated {positive_from:g} or more"
    else:
        why = f"the {part} part is empty"
    return DataError(f"{protocol}: {why}, so there is nothing to evaluate; use more data or another protocol")


def _limit_users(targets: _Rows, random: np.random.Generator) -> _Rows:
    """The targets of at most `MAX_RANKINGS` users, drawn at random."""
    users = np.unique(targets.user)
    if len(users) <= MAX_RANKINGS:
        return targets
    return targets.where(np.isin(targets.user, random.choice(users, MAX_RANKINGS, replace=False)))


def _limit_targets(targets: _Rows, random: np.random.Generator) -> _Rows:
    """As many of each user, drawn at random: `MAX_TARGETS`, or fewer that keep to `MAX_RANKINGS`, at least 1."""
    counts = np.unique(targets.user, return_counts=True)[1]
    at_most = MAX_TARGETS
    while at_most > 1 and np.minimum(counts, at_most).sum() > MAX_RANKINGS:
        at_most -= 1
    shuffled = np.lexsort((random.random(len(targets.user)), targets.user))
    nth_of_user = np.arange(len(shuffled)) - np.searchsorted(targets.user, targets.user)
    chosen = np.zeros(len(shuffled), dtype=bool)
    chosen[shuffled[nth_of_user < at_most]] = True
    return targets.where(chosen)


def _items_of(rows: _Rows, user_ids: Ints) -> tuple[Ints, Ints]:
    """The items of N ascending users in the catalogue, each once: offsets [N + 1] and positions."""
    first = np.zeros(len(rows.user), dtype=bool)
    first[np.unique(_pairs(rows), return_index=True)[1]] = True
    mine = rows.where(first & (rows.item >= 0) & np.isin(rows.user, user_ids))
    return np.append(np.searchsorted(mine.user, user_ids), len(mine.user)), mine.item


def _epoch_seconds(times: pa.Array) -> Ints:
    """Epoch seconds; 0 for null: data without time have no recency."""
    micros = pc.fill_null(pc.cast(pc.cast(times, pa.timestamp("us")), pa.int64()), 0)
    seconds: Ints = micros.to_numpy(zero_copy_only=False) // 1_000_000
    return seconds
