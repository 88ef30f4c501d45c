"""What models read: users and items as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from recstack.features.arrays import Floats, Halves, Ints, Mask


class Users(Protocol):
    """N users that are read some at a time: arrays in memory (`UserBatch`), or computed where they are read."""

    @property
    def ids(self) -> Ints:
        """[N] user ids; -1 for anonymous users."""

    @property
    def known(self) -> Ints:
        """[N] how many items of the catalogue each has seen."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> "UserBatch":
        """A contiguous slice."""

    def take(self, rows: Ints) -> "UserBatch":
        """These rows, in this order."""


@dataclass(frozen=True)
class UserBatch:
    """B users as arrays. Items are positions in `Encoder.item_ids`."""

    genres: Floats
    """[B, G] user-genre score, centred to [-1, 1]; 0 means no evidence."""
    scalars: Floats
    """[B, S] a column for each of `Encoder.user_scalars`, in its order, as its scaling says; 0 where missing."""
    recent: Ints
    """[B, 50] last items, newest first; -1 pads and stands for items outside the catalogue."""
    recent_ratings: Floats
    """[B, 50] their ratings minus the training mean, in standard deviations; 0 where padded."""
    seen_offsets: Ints
    """[B + 1] offsets into `seen`."""
    seen: Ints
    """Every item that each user has seen, user after user."""
    seen_ratings: Halves
    """Their ratings as given; NaN where the features hold the item alone."""
    ids: Ints
    """[B] user ids; -1 for anonymous users."""

    def __len__(self) -> int:
        return len(self.genres)

    def __getitem__(self, rows: slice) -> "UserBatch":
        """A contiguous slice, without a copy.

        Raises:
            ValueError: the slice has a step.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("a UserBatch is cut in contiguous slices only")
        offsets = self.seen_offsets[start : stop + 1]
        return self._select(rows, offsets - offsets[0], slice(offsets[0], offsets[-1]))

    def take(self, rows: Ints) -> "UserBatch":
        """A copy of these rows, in this order."""
        lengths = np.diff(self.seen_offsets)[rows]
        offsets = np.append(0, np.cumsum(lengths))
        flat = np.repeat(self.seen_offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self._select(rows, offsets, flat)

    def _select(self, rows: slice | Ints, seen_offsets: Ints, seen: slice | Ints) -> "UserBatch":
        return UserBatch(
            genres=self.genres[rows],
            scalars=self.scalars[rows],
            recent=self.recent[rows],
            recent_ratings=self.recent_ratings[rows],
            seen_offsets=seen_offsets,
            seen=self.seen[seen],
            seen_ratings=self.seen_ratings[seen],
            ids=self.ids[rows],
        )

    @property
    def known(self) -> Ints:
        """[B] how many items of the catalogue each has seen."""
        return np.diff(self.seen_offsets)

    @classmethod
    def concatenate(cls, batches: Sequence["UserBatch"]) -> Self:
        """The rows of at least one batch, one batch after the other."""
        joined = {name: np.concatenate([getattr(b, name) for b in batches]) for name in _BY_ROW}
        known = np.concatenate([batch.known for batch in batches])
        return cls(seen_offsets=np.append(0, np.cumsum(known)), **joined)

    def unseen(self, n_items: int) -> Mask:
        """[B, n_items] mask that is False where the user has seen the item."""
        mask = np.ones((len(self), n_items), dtype=bool)
        rows = np.repeat(np.arange(len(self)), np.diff(self.seen_offsets))
        mask[rows, self.seen] = False
        return mask


_BY_ROW = ("genres", "scalars", "recent", "recent_ratings", "seen", "seen_ratings", "ids")


@dataclass(frozen=True)
class ItemBatch:
    """The whole catalogue of I items as arrays, in the order of `Encoder.item_ids`."""

    genres: Floats
    """[I, G] multi-hot genres."""
    scalars: Floats
    """[I, S] a column for each of `Encoder.item_scalars`, in its order, as its scaling says; 0 where missing."""
    popularity: Floats
    """[I, P] log1p of each of `Encoder.popularities`, in its order."""

    def __len__(self) -> int:
        return len(self.genres)
