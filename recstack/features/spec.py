"""The one definition of every feature: name, type, default when missing, owner. Its digest is the schema version."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from recstack import columns as c
from recstack.storage.lake import digest

SERVICE: Final = "ranking"
"""Name of the one Feast FeatureService that training and serving read."""

USER_VIEW: Final = "user_features"
ITEM_VIEW: Final = "item_features"

RECENT_LENGTH: Final = 50
"""How many of a user's last items the `recent_items` feature holds."""

ALPHA: Final = 0.1
"""Slope of the user-genre score; 0.1 keeps it from saturating."""

NEUTRAL_SCORE: Final = 5.0
"""User-genre score without any evidence: 10 / (1 + exp(0))."""


@dataclass(frozen=True)
class Feature:
    """One feature. `default` is what the encoder uses for an entity or a value that is missing."""

    name: str
    type: pa.DataType
    default: Any
    doc: str


Owner = Literal["user", "item"]

FEATURES: Final[dict[Owner, tuple[Feature, ...]]] = {
    "user": (
        Feature(c.GENRE_PROFILE, pa.list_(pa.float32()), None, "user-genre score, one per genre of the vocabulary"),
        Feature(c.RATING_COUNT, pa.int64(), 0, "number of interactions"),
        Feature(c.RATING_MEAN, pa.float32(), None, "mean rating"),
        Feature(c.RATING_RANGE, pa.float32(), None, "largest minus smallest rating"),
        Feature(c.LAST_INTERACTION, pa.int64(), None, "epoch second of the last interaction (recency is derived)"),
        Feature(c.FREQUENCY, pa.int64(), 0, "number of distinct active days"),
        Feature(c.INTENSITY, pa.float32(), 0.0, "interactions per active day"),
        Feature(c.RECENT_ITEMS, pa.list_(pa.int64()), (), f"last {RECENT_LENGTH} items, newest first"),
        Feature(c.RECENT_RATINGS, pa.list_(pa.float32()), (), "ratings of recent_items"),
        Feature(c.SEEN_ITEMS, pa.binary(), b"", "every item seen, a serialized 32-bit Roaring bitmap"),
        Feature(
            c.SEEN_RATINGS, pa.binary(), b"", "ratings of seen_items, by ascending item id, as little-endian float16"
        ),
    ),
    "item": (
        Feature(c.GENRE_INDICES, pa.list_(pa.int64()), (), "positions of the item's genres in the vocabulary"),
        Feature(c.YEAR, pa.int64(), None, "year of release"),
        Feature(c.TYPE, pa.string(), None, "kind of item, e.g. TV or MOVIE"),
        Feature(c.EPISODES, pa.int64(), None, "number of episodes"),
        Feature(c.MEAN_SCORE, pa.float32(), None, "mean score that the catalogue itself carries"),
        Feature(c.POPULARITY_7D, pa.int64(), 0, "interactions in the last 7 days"),
        Feature(c.POPULARITY_30D, pa.int64(), 0, "interactions in the last 30 days"),
        Feature(c.POPULARITY_ALL, pa.int64(), 0, "interactions so far"),
    ),
}


def names(owner: Owner) -> list[str]:
    """Feature names of one owner in the order of the definition."""
    return [feature.name for feature in FEATURES[owner]]


def schema(owner: Owner) -> pa.Schema:
    """Arrow schema of the features of one owner, without entity and timestamp."""
    return pa.schema([(feature.name, feature.type) for feature in FEATURES[owner]])


def schema_digest() -> str:
    """Version of the feature schema: changes with any name, type, default or formula constant."""
    rows = [[owner, f.name, str(f.type), repr(f.default)] for owner, group in FEATURES.items() for f in group]
    return digest([rows, RECENT_LENGTH, ALPHA])
