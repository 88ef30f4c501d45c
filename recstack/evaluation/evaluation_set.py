"""The rankings that a protocol asks of a model: the users, the relevant items, and the items to rank."""

from dataclasses import dataclass

import numpy as np

from recstack.features.arrays import Doubles, Floats, Ints, Mask
from recstack.features.batches import Users


@dataclass(frozen=True)
class EvaluationSet:
    """N rankings of the catalogue of I items. Items are positions in `Encoder.item_ids`."""

    protocol: str
    users: Users
    """[N] the user's features as of each ranking; the items in `seen` are not ranked."""
    user_ids: Ints
    """[N] the user of each ranking; means are taken within a user first."""
    relevant_offsets: Ints
    """[N + 1] offsets into `relevant`; every ranking has at least one relevant item."""
    relevant: Ints
    """[P] what the user chose, ranking after ranking; -1 for an item that is not in training: always a miss."""
    positions: Ints
    """[P] the same items, also those that are not in training: a model can predict a rating of each. -1 only for items
    outside the catalogue."""
    ratings: Floats
    """[P] the ratings that the user gave them."""
    candidates: Ints | None
    """[N, C] items to rank, ascending, -1 pads (leave-last-out-99); None ranks the whole catalogue."""
    item_counts: Ints
    """[I] interactions of each item in the training part."""
    n_training_users: int
    """Users of the training part."""
    slices: dict[str, Mask]
    """Named [N] masks over the rankings."""
    target_slices: dict[str, Mask]
    """Named [P] masks over the relevant items; they may overlap."""
    item_genres: Floats
    """[I, G] multi-hot genres; all zero, or G = 0, where the data have none."""
    positive_from: float | None = None
    """Lowest rating of a relevant item; None where every interaction counts."""
    as_of: Ints | None = None
    """[N] epoch second of each ranking; None where the protocol ignores time."""
    given: Users | None = None
    """[N] what the model is given of each user, where that is older than `users`; see `staleness`."""
    n_repeated: int = 0
    """Interactions of the part that are no targets: the user had chosen the item before, and seen items are not
    ranked."""
    n_part_users: int = 0
    """Users with targets in the part; `user_ids` are drawn from more than `protocols.MAX_RANKINGS`."""
    n_part_targets: int = 0
    """All their targets; those that are ranked are drawn from them."""

    def __len__(self) -> int:
        """N, the number of rankings."""
        return len(self.user_ids)

    @property
    def given_users(self) -> Users:
        """[N] what the model is given of each user."""
        return self.users if self.given is None else self.given

    @property
    def relevant_rows(self) -> Ints:
        """[P] the ranking that each relevant item belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.relevant_offsets))

    def of_targets(self, mask: Mask) -> tuple[Ints, Ints]:
        """The n rankings that hold relevant items of a [P] mask: offsets [n + 1] into these items, and users [n]."""
        counts = np.bincount(self.relevant_rows[mask], minlength=len(self))
        return np.append(0, np.cumsum(counts[counts > 0])), self.user_ids[counts > 0]

    @property
    def n_users(self) -> int:
        """Distinct users."""
        return len(np.unique(self.user_ids))

    @property
    def n_targets(self) -> int:
        """Relevant items of all rankings together, also those that are not in training."""
        return len(self.relevant)

    @property
    def unhittable_share(self) -> float:
        """Share of the targets that are not in training; the best possible recall is one minus this."""
        return float(np.mean(self.relevant < 0))


def user_means(values: Doubles, user_ids: Ints) -> Doubles:
    """Average per-ranking values within each user.

    Args:
        values: [N] or [N, M] values of N rankings.
        user_ids: [N] the user of each.

    Returns:
        [U] or [U, M] means, users ascending.
    """
    _, owner, counts = np.unique(user_ids, return_inverse=True, return_counts=True)
    columns = values.reshape(len(values), -1).T
    sums = np.stack([np.bincount(owner, weights=column, minlength=len(counts)) for column in columns], axis=1)
    means: Doubles = sums / counts[:, None]
    return means.reshape(len(counts), *values.shape[1:])
