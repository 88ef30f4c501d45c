"""Feature rows, from training or from the online store, to arrays; the only place that knows their layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features.arrays import Doubles, Floats, Halves, Ints
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.seen import RATING_TYPE
from recstack.features.spec import (
    ALPHA,
    ITEM_SCALARS,
    NEUTRAL_SCORE,
    POPULARITIES,
    RECENT_LENGTH,
    SCALINGS,
    USER_SCALARS,
    schema,
)

_FILE: Final = "encoder.json"


@dataclass(frozen=True)
class Encoder:
    """The layout that a model was trained with. Saved with the model, so that serving encodes the same way."""

    item_ids: Ints
    """[I] catalogue, ascending."""
    genres: tuple[str, ...]
    """Vocabulary; position = index in every genre vector."""
    means: dict[str, float]
    """Of each number, over the training rows, after `log1p` where its scaling has one."""
    deviations: dict[str, float]
    """Standard deviations, likewise; 1 where all values are the same."""
    alpha: float = ALPHA
    """Slope of the user-genre score in the profiles."""
    user_scalars: tuple[str, ...] = USER_SCALARS
    """Columns of `UserBatch.scalars`: numbers that were defined when the model was trained. Later ones are left out."""
    item_scalars: tuple[str, ...] = ITEM_SCALARS
    """Columns of `ItemBatch.scalars`, likewise."""
    popularities: tuple[str, ...] = POPULARITIES
    """Columns of `ItemBatch.popularity`, likewise."""

    @classmethod
    def fit(cls, users: pa.Table, as_of: Ints, items: pa.Table, genres: tuple[str, ...], alpha: float = ALPHA) -> Self:
        """Take catalogue order and the statistics of the numbers from training rows.

        Args:
            users: user features of the training rows (`spec.schema("user")`).
            as_of: [rows] epoch second of each row; ages count from it.
            items: item features with `item_id`.
            genres: the vocabulary.
            alpha: slope of the user-genre score in the profiles.
        """
        means, deviations = {}, {}
        numbers = {name: _scaled(users, name, as_of) for name in USER_SCALARS}
        numbers |= {name: _scaled(items, name) for name in ITEM_SCALARS}
        numbers[c.RECENT_RATINGS] = _flat(users[c.RECENT_RATINGS]).to_numpy().astype(np.float64)
        for name, values in numbers.items():
            known = values[~np.isnan(values)]
            means[name] = float(known.mean()) if known.size else 0.0
            deviations[name] = float(known.std()) or 1.0 if known.size else 1.0
        return cls(np.sort(items[c.ITEM_ID].to_numpy()), genres, means, deviations, alpha)

    def positions(self, item_ids: npt.ArrayLike) -> Ints:
        """Position of each item id in the catalogue, -1 where it is not in it."""
        ids = np.asarray(item_ids, dtype=np.int64)
        found = np.searchsorted(self.item_ids, ids).clip(max=max(len(self.item_ids) - 1, 0))
        return np.where(self.item_ids[found] == ids, found, -1) if len(self.item_ids) else np.full(ids.shape, -1)

    def users(self, rows: pa.Table, as_of: Ints, *, ids: Ints | None = None) -> UserBatch:
        """Encode B rows of `spec.schema("user")`; a missing entity is a row of nulls.

        Args:
            rows: the features; extra columns are ignored, order does not matter.
            as_of: [B] epoch second of the request or training row; ages count from it.
            ids: [B] user ids, -1 for anonymous users; None where all are anonymous.

        A profile may be longer or shorter than the vocabulary, because genres were added after the model was trained
        or before it: positions never shift, so the scores of genres that the model does not know are cut off, and a
        missing score is neutral.

        Raises:
            ValueError: seen items and their ratings, or ids and rows, differ in number.
        """
        count = len(rows)
        ids = np.full(count, -1, dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64)
        if len(ids) != count:
            raise ValueError(f"{len(ids)} user ids for {count} rows of features")
        recent, recent_ratings = self._recent(rows)
        seen_offsets, seen, seen_ratings = self._seen(rows)
        return UserBatch(
            genres=self._profiles(rows),
            scalars=self._standardised(self.user_scalars, [_scaled(rows, name, as_of) for name in self.user_scalars]),
            recent=recent,
            recent_ratings=recent_ratings,
            seen_offsets=seen_offsets,
            seen=seen,
            seen_ratings=seen_ratings,
            ids=ids,
        )

    def items(self, rows: pa.Table) -> ItemBatch:
        """Encode the catalogue.

        Args:
            rows: `item_id` and `spec.schema("item")`, in any order; items that are not in `rows` get zeros, and
                genres that the vocabulary does not have yet are left out.
        """
        positions = self.positions(rows[c.ITEM_ID].to_numpy())
        rows = rows.filter(pa.array(positions >= 0))
        positions = positions[positions >= 0]
        size = len(self.item_ids)

        genres = np.zeros((size, len(self.genres)), dtype=np.float32)
        lists = rows[c.GENRE_INDICES].combine_chunks()
        carriers, indices = np.repeat(positions, _lengths(lists)), _flat(lists).to_numpy()
        known = indices < len(self.genres)
        genres[carriers[known], indices[known]] = 1.0

        scalars = np.zeros((size, len(self.item_scalars)), dtype=np.float32)
        scalars[positions] = self._standardised(self.item_scalars, [_scaled(rows, name) for name in self.item_scalars])
        return ItemBatch(genres, scalars, self.popularity(rows))

    def popularity(self, rows: pa.Table) -> Floats:
        """[I, P] `ItemBatch.popularity` alone, from `item_id` and the counts."""
        positions = self.positions(rows[c.ITEM_ID].to_numpy())
        known = positions >= 0
        popularity = np.zeros((len(self.item_ids), len(self.popularities)), dtype=np.float32)
        counts = np.stack([np.nan_to_num(_scaled(rows, name)) for name in self.popularities], axis=1)
        popularity[positions[known]] = counts[known]
        return popularity

    def save(self, folder: Path) -> None:
        """Write `encoder.json`."""
        state = {
            "item_ids": self.item_ids.tolist(),
            "genres": list(self.genres),
            "means": self.means,
            "deviations": self.deviations,
            "alpha": self.alpha,
            "user_scalars": self.user_scalars,
            "item_scalars": self.item_scalars,
            "popularities": self.popularities,
        }
        (folder / _FILE).write_text(json.dumps(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        state = json.loads((folder / _FILE).read_text())
        names = {name: tuple(state[name]) for name in ("genres", "user_scalars", "item_scalars", "popularities")}
        state["item_ids"] = np.array(state["item_ids"], dtype=np.int64)
        return cls(**{**state, **names})

    def _standardised(self, names: Sequence[str], columns: Sequence[Doubles]) -> Floats:
        """[N, len(names)] columns minus their mean, in standard deviations, clipped to ±3; NaN becomes 0."""
        means, deviations = ([of[name] for name in names] for of in (self.means, self.deviations))
        scaled = ((np.stack(columns, axis=1) - means) / deviations).clip(-3, 3)
        return np.where(np.isnan(scaled), 0.0, scaled).astype(np.float32)

    def _profiles(self, rows: pa.Table) -> Floats:
        size = len(self.genres)
        profiles = np.full((len(rows), size), NEUTRAL_SCORE, dtype=np.float32)
        lists = rows[c.GENRE_PROFILE].combine_chunks()
        lengths = _lengths(lists)
        ends = np.cumsum(lengths)
        row = np.repeat(np.arange(len(rows)), lengths)
        genre = np.arange(len(row)) - np.repeat(ends - lengths, lengths)
        kept = genre < size
        profiles[row[kept], genre[kept]] = _flat(lists).to_numpy()[kept]
        return (profiles - NEUTRAL_SCORE) / NEUTRAL_SCORE

    def _recent(self, rows: pa.Table) -> tuple[Ints, Floats]:
        lists = rows[c.RECENT_ITEMS].combine_chunks()
        recent = np.full((len(rows), RECENT_LENGTH), -1, dtype=np.int64)
        ratings = np.zeros((len(rows), RECENT_LENGTH), dtype=np.float32)
        filled = np.arange(RECENT_LENGTH) < _lengths(lists)[:, None]
        recent[filled] = self.positions(_flat(lists).to_numpy())
        values = _flat(rows[c.RECENT_RATINGS]).to_numpy().astype(np.float64)
        ratings[filled] = self._standardised([c.RECENT_RATINGS], [values])[:, 0]
        ratings[recent < 0] = 0.0
        return recent, ratings

    def _seen(self, rows: pa.Table) -> tuple[Ints, Ints, Halves]:
        items, ratings = [_NO_ITEMS], [np.zeros(0, RATING_TYPE)]
        for bitmap, values in zip(rows[c.SEEN_ITEMS].to_pylist(), rows[c.SEEN_RATINGS].to_pylist(), strict=True):
            positions = self.positions(np.asarray(BitMap.deserialize(bitmap).to_array())) if bitmap else _NO_ITEMS
            given = np.frombuffer(values, RATING_TYPE) if values else np.full(len(positions), np.nan, RATING_TYPE)
            if len(given) != len(positions):
                raise ValueError(f"{len(positions)} items seen, but {len(given)} ratings of them")
            items.append(positions[positions >= 0])
            ratings.append(given[positions >= 0])
        offsets = np.cumsum([len(positions) for positions in items], dtype=np.int64)
        return offsets, np.concatenate(items), np.concatenate(ratings)


_NO_ITEMS: Final = np.zeros(0, dtype=np.int64)


def empty_rows(count: int) -> pa.Table:
    """`count` rows of user features that are all null, as for users without history."""
    return pa.table({field.name: pa.nulls(count, field.type) for field in schema("user")})


def _scaled(rows: pa.Table, name: str, as_of: Ints | int = 0) -> Doubles:
    """A numeric column as its scaling says, but not yet standardised; NaN for null."""
    values: Doubles = rows[name].to_numpy().astype(np.float64)
    if SCALINGS[name] == "log-age":
        values = (as_of - values) / DAY
    if SCALINGS[name] in ("log", "log-age", "count"):
        values = np.log1p(np.maximum(values, 0))
    return values


def _flat(lists: pa.ListArray | pa.ChunkedArray) -> pa.Array:
    """The elements of all lists, one after the other."""
    return pc.list_flatten(lists)


def _lengths(lists: pa.ListArray) -> Ints:
    """Of each list, 0 where it is null."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return np.where(np.isnan(lengths), 0, lengths).astype(np.int64)
