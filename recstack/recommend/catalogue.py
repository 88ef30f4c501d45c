"""The catalogue in the order in which models score it: titles to show, genres and popularity to rank by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch
from recstack.features.encode import Encoder
from recstack.features.item_genres import ItemGenres
from recstack.features.spec import POPULARITIES


@dataclass(frozen=True, eq=False)
class Catalogue:
    """I items, each at its position in `Encoder.item_ids`."""

    encoder: Encoder
    features: ItemBatch
    titles: Sequence[str]
    years: Sequence[int | None]
    genres: Sequence[Sequence[str]]
    """As the catalogue spells them; `features.genres` follows the vocabulary."""
    as_of: datetime | None
    """From when on the newest item feature was known."""

    @classmethod
    def build(cls, encoder: Encoder, titles: pa.Table, items: pa.Table) -> Self:
        """Align both tables with the encoder.

        Args:
            encoder: of the model.
            titles: item_id, title, genres, year; more items than the encoder has are ignored.
            items: item features with `item_id`, and `event_timestamp` where known.

        Raises:
            ValueError: an item of the encoder has no title.
        """
        positions = encoder.positions(titles[c.ITEM_ID].to_numpy())
        titles = titles.filter(pa.array(positions >= 0)).take(pa.array(np.argsort(positions[positions >= 0])))
        if not np.array_equal(titles[c.ITEM_ID].to_numpy(), encoder.item_ids):
            missing = np.setdiff1d(encoder.item_ids, titles[c.ITEM_ID].to_numpy())
            raise ValueError(f"the catalogue lacks {len(missing)} items of the model, e.g. {missing[:3].tolist()}")
        dated = c.EVENT_TIMESTAMP in items.column_names
        return cls(
            encoder=encoder,
            features=encoder.items(items),
            titles=[title or "" for title in titles[c.TITLE].to_pylist()],
            years=titles[c.YEAR].to_pylist(),
            genres=[genres or [] for genres in titles[c.GENRES].to_pylist()],
            as_of=pc.max(items[c.EVENT_TIMESTAMP]).as_py() if dated else None,
        )

    @cached_property
    def item_genres(self) -> ItemGenres:
        """The genres of each item in the form that the request-time profile reads."""
        rows, indices = np.nonzero(self.features.genres)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(self.titles)))])
        encoder = self.encoder
        return ItemGenres(encoder.item_ids, offsets, indices, len(encoder.genres), encoder.alpha)

    @cached_property
    def popularity(self) -> Floats:
        """[I] ln(1 + interactions in 30 days) + ln(1 + interactions so far): popular now, and among many."""
        recent, total = POPULARITIES.index(c.POPULARITY_30D), POPULARITIES.index(c.POPULARITY_ALL)
        score: Floats = self.features.popularity[:, recent] + self.features.popularity[:, total]
        return score

    @cached_property
    def most_popular(self) -> Ints:
        """[I] positions, most popular first; ties by item id."""
        return np.argsort(-self.popularity, kind="stable")

    def count(self, window: str, position: int) -> int:
        """Interactions with an item in a window of `POPULARITIES`."""
        return round(float(np.expm1(self.features.popularity[position, POPULARITIES.index(window)])))

    def has_genre(self, genres: Sequence[str]) -> Mask:
        """[I] True where the item has at least one of the genres (names of the vocabulary)."""
        named = [self.encoder.genres.index(name) for name in genres]
        return np.asarray(self.features.genres[:, named].any(axis=1))
