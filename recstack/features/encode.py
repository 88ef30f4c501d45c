"""Feature rows, from training or from the online store, to tensors; the only place that knows tensor layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap

from recstack import columns as c
from recstack.features.arrays import Floats, Halves, Ints
from recstack.features.profile import HALF
from recstack.features.spec import NEUTRAL_SCORE, RECENT_LENGTH, schema

DAY = 86_400
USER_SCALARS = (c.RATING_COUNT, c.RATING_MEAN, c.RATING_RANGE, "recency", c.FREQUENCY, c.INTENSITY)
ITEM_SCALARS = (c.YEAR, c.EPISODES, c.MEAN_SCORE)
POPULARITIES = (c.POPULARITY_7D, c.POPULARITY_30D, c.POPULARITY_ALL)
LOG_SCALED = (c.RATING_COUNT, "recency", c.FREQUENCY, c.INTENSITY, c.EPISODES)


@dataclass(frozen=True)
class UserBatch:
    """B users as tensors. Items are positions in `Encoder.item_ids`."""

    genres: Floats
    """[B, G] user-genre score, centred to [-1, 1]; 0 means no evidence."""
    scalars: Floats
    """[B, 6] `USER_SCALARS`, log-scaled where skewed, standardised, clipped to ±3; 0 where missing."""
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
    """[B] user ids; -1 for strangers."""

    def __len__(self) -> int:
        return len(self.genres)

    def __getitem__(self, rows: slice) -> "UserBatch":
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("a UserBatch is cut in contiguous slices only")
        offsets = self.seen_offsets[start : stop + 1]
        return UserBatch(
            self.genres[rows],
            self.scalars[rows],
            self.recent[rows],
            self.recent_ratings[rows],
            offsets - offsets[0],
            self.seen[offsets[0] : offsets[-1]],
            self.seen_ratings[offsets[0] : offsets[-1]],
            self.ids[rows],
        )

    def unseen(self, n_items: int) -> npt.NDArray[np.bool_]:
        """[B, n_items] mask that is False where the user has seen the item."""
        mask = np.ones((len(self), n_items), dtype=bool)
        rows = np.repeat(np.arange(len(self)), np.diff(self.seen_offsets))
        mask[rows, self.seen] = False
        return mask


@dataclass(frozen=True)
class ItemBatch:
    """The whole catalogue of I items as tensors, in the order of `Encoder.item_ids`."""

    genres: Floats
    """[I, G] multi-hot genres."""
    scalars: Floats
    """[I, 3] `ITEM_SCALARS`, standardised, clipped to ±3; 0 where missing."""
    popularity: Floats
    """[I, 3] log1p of `POPULARITIES`."""

    def __len__(self) -> int:
        return len(self.genres)


@dataclass(frozen=True)
class Encoder:
    """The layout that a model was trained with. Saved with the model, so that serving encodes the same way."""

    item_ids: Ints
    """[I] catalogue, ascending."""
    genres: tuple[str, ...]
    """Vocabulary; position = index in every genre vector."""
    means: dict[str, float]
    deviations: dict[str, float]

    @classmethod
    def fit(cls, users: pa.Table, as_of: Ints, items: pa.Table, genres: tuple[str, ...]) -> Self:
        """Take catalogue order and scalar statistics from training rows.

        Args:
            users: user features of the training rows (`spec.schema("user")`).
            as_of: [rows] epoch second of each row, for the recency.
            items: item features with `item_id`.
            genres: the vocabulary.
        """
        means, deviations = {}, {}
        raw = {**_user_scalars(users, as_of), **{name: _numbers(items, name) for name in ITEM_SCALARS}}
        raw[c.RECENT_RATINGS] = pc.list_flatten(users[c.RECENT_RATINGS]).to_numpy().astype(np.float64)
        for name, values in raw.items():
            known = values[~np.isnan(values)]
            known = np.log1p(np.maximum(known, 0)) if name in LOG_SCALED else known
            means[name] = float(known.mean()) if known.size else 0.0
            deviations[name] = float(known.std()) or 1.0 if known.size else 1.0
        return cls(np.sort(items[c.ITEM_ID].to_numpy()), genres, means, deviations)

    def positions(self, item_ids: npt.ArrayLike) -> Ints:
        """Position of each item id in the catalogue, -1 where it is not in it."""
        ids = np.asarray(item_ids, dtype=np.int64)
        found = np.searchsorted(self.item_ids, ids).clip(max=max(len(self.item_ids) - 1, 0))
        return np.where(self.item_ids[found] == ids, found, -1) if len(self.item_ids) else np.full(ids.shape, -1)

    def users(self, rows: pa.Table, as_of: Ints, *, ids: Ints | None = None) -> UserBatch:
        """Encode B rows of `spec.schema("user")`; a missing entity is a row of nulls.

        Args:
            rows: the features; extra columns are ignored, order does not matter.
            as_of: [B] epoch second of the request or training row; recency counts from it.
            ids: [B] whose rows they are, -1 for strangers; None where all are.

        Raises:
            ValueError: a profile's length differs from the vocabulary's, seen items and their ratings differ in number,
                or ids and rows do.
        """
        count = len(rows)
        ids = np.full(count, -1, dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64)
        if len(ids) != count:
            raise ValueError(f"{len(ids)} user ids for {count} rows of features")
        recent, recent_ratings = self._recent(rows)
        seen_offsets, seen, seen_ratings = self._seen(rows)
        return UserBatch(
            genres=self._profiles(rows, count),
            scalars=self._standardise(USER_SCALARS, np.stack(list(_user_scalars(rows, as_of).values()), axis=1)),
            recent=recent,
            recent_ratings=recent_ratings,
            seen_offsets=seen_offsets,
            seen=seen,
            seen_ratings=seen_ratings,
            ids=ids,
        )

    def items(self, rows: pa.Table) -> ItemBatch:
        """Encode item features with `item_id`, any order; items that are not in `rows` get defaults."""
        places = self.positions(rows[c.ITEM_ID].to_numpy())
        rows = rows.filter(pa.array(places >= 0))
        places = places[places >= 0]
        size = len(self.item_ids)

        genres = np.zeros((size, len(self.genres)), dtype=np.float32)
        lists = rows[c.GENRE_INDICES].combine_chunks()
        lengths = _lengths(lists)
        genres[np.repeat(places, lengths), pc.list_flatten(lists).to_numpy()] = 1.0

        scalars = np.zeros((size, len(ITEM_SCALARS)), dtype=np.float32)
        scalars[places] = self._standardise(ITEM_SCALARS, np.stack([_numbers(rows, n) for n in ITEM_SCALARS], axis=1))
        popularity = np.zeros((size, len(POPULARITIES)), dtype=np.float32)
        popularity[places] = np.stack([np.log1p(np.nan_to_num(_numbers(rows, n))) for n in POPULARITIES], axis=1)
        return ItemBatch(genres, scalars, popularity)

    def save(self, folder: Path) -> None:
        """Write `encoder.json`."""
        state = {
            "item_ids": self.item_ids.tolist(),
            "genres": list(self.genres),
            "means": self.means,
            "deviations": self.deviations,
        }
        (folder / "encoder.json").write_text(json.dumps(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        state = json.loads((folder / "encoder.json").read_text())
        item_ids = np.array(state["item_ids"], dtype=np.int64)
        return cls(item_ids, tuple(state["genres"]), state["means"], state["deviations"])

    def _standardise(self, names: Sequence[str], values: npt.NDArray[np.float64]) -> Floats:
        """[N, len(names)] columns as the model wants them; NaN becomes 0."""
        skewed = [column for column, name in enumerate(names) if name in LOG_SCALED]
        values[:, skewed] = np.log1p(np.maximum(values[:, skewed], 0))
        means, deviations = ([of[name] for name in names] for of in (self.means, self.deviations))
        scaled = ((values - means) / deviations).clip(-3, 3)
        return np.where(np.isnan(scaled), 0.0, scaled).astype(np.float32)

    def _profiles(self, rows: pa.Table, count: int) -> Floats:
        size = len(self.genres)
        profiles = np.full((count, size), NEUTRAL_SCORE, dtype=np.float32)
        lists = rows[c.GENRE_PROFILE].combine_chunks()
        lengths = _lengths(lists)
        known = lengths > 0
        if wrong := set(lengths[known].tolist()) - {size}:
            raise ValueError(f"genre profile of length {sorted(wrong)}, but the vocabulary has {size} genres")
        profiles[known] = pc.list_flatten(lists).to_numpy().reshape(int(known.sum()), size)
        return (profiles - NEUTRAL_SCORE) / NEUTRAL_SCORE

    def _recent(self, rows: pa.Table) -> tuple[Ints, Floats]:
        lists = rows[c.RECENT_ITEMS].combine_chunks()
        lengths = _lengths(lists)
        recent = np.full((len(rows), RECENT_LENGTH), -1, dtype=np.int64)
        ratings = np.zeros((len(rows), RECENT_LENGTH), dtype=np.float32)
        filled = np.arange(RECENT_LENGTH) < lengths[:, None]
        recent[filled] = self.positions(pc.list_flatten(lists).to_numpy())
        values = pc.list_flatten(rows[c.RECENT_RATINGS].combine_chunks()).to_numpy().astype(np.float64)
        ratings[filled] = self._standardise([c.RECENT_RATINGS], values[:, None])[:, 0]
        ratings[recent < 0] = 0.0
        return recent, ratings

    def _seen(self, rows: pa.Table) -> tuple[Ints, Ints, Halves]:
        items, ratings = [], []
        for bitmap, values in zip(rows[c.SEEN_ITEMS].to_pylist(), rows[c.SEEN_RATINGS].to_pylist(), strict=True):
            places = self.positions(np.asarray(BitMap.deserialize(bitmap).to_array())) if bitmap else _NOTHING
            given = np.frombuffer(values, HALF) if values else np.full(len(places), np.nan, HALF)
            if len(given) != len(places):
                raise ValueError(f"{len(places)} items seen, but {len(given)} ratings of them")
            items.append(places[places >= 0])
            ratings.append(given[places >= 0])
        offsets = np.zeros(len(items) + 1, dtype=np.int64)
        np.cumsum([len(places) for places in items], out=offsets[1:])
        return offsets, np.concatenate([_NOTHING, *items]), np.concatenate([np.zeros(0, HALF), *ratings])


_NOTHING = np.zeros(0, dtype=np.int64)


def empty_rows(count: int) -> pa.Table:
    """`count` rows of user features that are all null: what a user without any history looks like."""
    return pa.table({field.name: pa.nulls(count, field.type) for field in schema("user")})


def _user_scalars(rows: pa.Table, as_of: Ints) -> dict[str, npt.NDArray[np.float64]]:
    values = {name: _numbers(rows, name) for name in USER_SCALARS if name != "recency"}
    values["recency"] = (as_of - _numbers(rows, c.LAST_INTERACTION)) / DAY
    return {name: values[name] for name in USER_SCALARS}


def _lengths(lists: pa.ListArray) -> Ints:
    """Of each list, 0 where it is null."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return np.where(np.isnan(lengths), 0, lengths).astype(np.int64)


def _numbers(rows: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A numeric column as float64 with NaN for null."""
    values: npt.NDArray[np.float64] = rows[name].to_numpy().astype(np.float64)
    return values
