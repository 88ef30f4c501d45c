"""Every user feature computed again from one history at a time, slowly; tests compare the fast code with it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features import spec
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres


class Rating(NamedTuple):
    user: int
    item: int
    rating: float
    second: int | None


def ratings_of(table: pa.Table) -> list[Rating]:
    """From a table of interactions."""
    micros = table[c.TIMESTAMP].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    seconds = [None if value is None else value // 1_000_000 for value in micros]
    columns = [table[name].to_pylist() for name in (c.USER_ID, c.ITEM_ID, c.RATING)]
    return [Rating(*row) for row in zip(*columns, seconds, strict=True)]


def known(ratings: Sequence[Rating], user: int, before: int | None) -> list[Rating]:
    """The user's ratings strictly before an epoch second; all of them without one."""
    return [r for r in ratings if r.user == user and (before is None or r.second is None or r.second < before)]


def features(history: Sequence[Rating], item_genres: Mapping[int, Sequence[int]], n_genres: int) -> dict[str, Any]:
    """The features of one user whose ratings these are."""
    if not history:
        return dict.fromkeys(spec.names("user"))
    dated = history[0].second is not None
    newest_first = sorted(history, key=lambda r: (r.second if dated else r.rating, r.item), reverse=True)
    newest = {r.item: r for r in reversed(newest_first)}
    recent = sorted({r.item: r for r in reversed(newest_first[:400])}.values(), key=newest_first.index)
    ratings = [r.rating for r in history]
    days = {r.second // DAY for r in history if r.second is not None}
    profile = []
    for genre in range(n_genres):
        rated = [r.rating for r in history if genre in item_genres[r.item]]
        preference = sum(rated) / len(rated) if rated else 0.0
        profile.append(10 / (1 + math.exp(-0.1 * preference * math.log(1 + len(rated)))))
    return {
        c.GENRE_PROFILE: profile,
        c.RATING_COUNT: len(history),
        c.RATING_MEAN: sum(ratings) / len(ratings),
        c.RATING_RANGE: max(ratings) - min(ratings),
        c.LAST_INTERACTION: max(r.second for r in history if r.second is not None) if dated else None,
        c.FREQUENCY: len(days) if dated else None,
        c.INTENSITY: len(history) / len(days) if dated else None,
        c.RECENT_ITEMS: [r.item for r in recent[:50]],
        c.RECENT_RATINGS: [r.rating for r in recent[:50]],
        c.SEEN_ITEMS: {r.item for r in history},
        c.SEEN_RATINGS: np.array([newest[item].rating for item in sorted(newest)], dtype="<f2").tobytes(),
    }


def assert_equal(row: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """A row of `spec.schema("user")` equals what `features` computed, to 1e-5 where it is not an integer."""
    for feature in spec.FEATURES["user"]:
        found, right = row[feature.name], expected[feature.name]
        if feature.name == c.SEEN_ITEMS and found is not None:
            found = set(BitMap.deserialize(found))
        if found is None or right is None or feature.type in (pa.int64(), pa.binary(), pa.list_(pa.int64())):
            assert found == right, feature.name
        else:
            np.testing.assert_allclose(found, right, rtol=0, atol=1e-5, err_msg=feature.name)


def item_genres(positions: Mapping[int, Sequence[int]], n_genres: int) -> ItemGenres:
    """What the fast code needs of the same genres."""
    items = sorted(positions)
    offsets = np.concatenate([[0], np.cumsum([len(positions[item]) for item in items])])
    indices = np.array([genre for item in items for genre in positions[item]], dtype=np.int64)
    return ItemGenres(np.array(items), offsets.astype(np.int64), indices, n_genres)


def leave_each_out(histories: Histories, start: np.ndarray, end: np.ndarray) -> Past:
    """A row for each interaction, which sees all others of its user; of each user begin and end."""
    user = np.repeat(np.arange(len(start)), end - start)
    return Past(histories, start[user], end[user], np.arange(len(user)))
