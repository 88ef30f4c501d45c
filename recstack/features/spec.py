"""The one definition of every feature: name, type, meaning, and how a model reads it. Its digest is the schema version.

docs/adding-a-feature.md shows how to add one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from recstack import columns as c
from recstack.storage.lake import digest

Owner = Literal["user", "item"]

SERVICE: Final = "ranking"
"""Name of the Feast FeatureService of the newest generation of feature rows."""

VIEWS: Final[dict[Owner, str]] = {"user": "user_features", "item": "item_features"}
"""Begin of the names of the Feast views; each generation of feature rows has views of its own."""

RECENT_LENGTH: Final = 50
"""How many of a user's last items the `recent_items` feature holds."""

RECENT_REACH: Final = 8 * RECENT_LENGTH
"""Among how many of a user's last interactions these items are looked for, where items are repeated."""

ALPHA: Final = 0.1
"""Default slope of the user-genre score; 0.1 keeps it from saturating. It is an option of the feature tables."""

NEUTRAL_SCORE: Final = 5.0
"""User-genre score without any evidence: 10 / (1 + exp(0))."""

Scaling = Literal["standard", "log", "log-age", "count"]


@dataclass(frozen=True)
class Feature:
    """One feature, a column of the feature tables."""

    name: str
    type: pa.DataType
    doc: str
    scaling: Scaling | None = None
    """How `encode` turns a number into an input of a network; None for features that are no plain numbers.

    - standard: minus the training mean, in standard deviations, clipped to ±3.
    - log: the same of log1p of the value, for skewed numbers.
    - log-age: an epoch second; the same of log1p of its age in days.
    - count: log1p of the value, for popularities.
    """


FEATURES: Final[dict[Owner, tuple[Feature, ...]]] = {
    "user": (
        Feature(c.GENRE_PROFILE, pa.list_(pa.float32()), "user-genre score, one per genre of the vocabulary"),
        Feature(c.RATING_COUNT, pa.int64(), "number of interactions", "log"),
        Feature(c.RATING_MEAN, pa.float32(), "mean rating", "standard"),
        Feature(c.RATING_RANGE, pa.float32(), "largest minus smallest rating", "standard"),
        Feature(c.LAST_INTERACTION, pa.int64(), "epoch second of the last interaction; its age is recency", "log-age"),
        Feature(c.FREQUENCY, pa.int64(), "number of distinct active days", "log"),
        Feature(c.INTENSITY, pa.float32(), "interactions per active day", "log"),
        Feature(c.RECENT_ITEMS, pa.list_(pa.int64()), f"last {RECENT_LENGTH} items, each once, newest first"),
        Feature(c.RECENT_RATINGS, pa.list_(pa.float32()), "ratings of recent_items"),
        Feature(c.SEEN_ITEMS, pa.binary(), "every item seen, a serialized 32-bit Roaring bitmap"),
        Feature(
            c.SEEN_RATINGS, pa.binary(), "newest ratings of seen_items, by ascending item id, as little-endian float16"
        ),
    ),
    "item": (
        Feature(c.GENRE_INDICES, pa.list_(pa.int64()), "positions of the item's genres in the vocabulary"),
        Feature(c.YEAR, pa.int64(), "year of release", "standard"),
        Feature(c.TYPE, pa.string(), "kind of item, e.g. TV or MOVIE"),
        Feature(c.EPISODES, pa.int64(), "number of episodes", "log"),
        Feature(c.MEAN_SCORE, pa.float32(), "mean score that the catalogue itself gives", "standard"),
        Feature(c.POPULARITY_7D, pa.int64(), "interactions in the last 7 days", "count"),
        Feature(c.POPULARITY_30D, pa.int64(), "interactions in the last 30 days", "count"),
        Feature(c.POPULARITY_ALL, pa.int64(), "interactions so far", "count"),
    ),
}


USER_SCALARS: Final = tuple(feature.name for feature in FEATURES["user"] if feature.scaling)
ITEM_SCALARS: Final = tuple(feature.name for feature in FEATURES["item"] if feature.scaling in ("standard", "log"))
POPULARITIES: Final = tuple(feature.name for feature in FEATURES["item"] if feature.scaling == "count")
SCALINGS: Final = {feature.name: feature.scaling for group in FEATURES.values() for feature in group}


def names(owner: Owner) -> list[str]:
    """Feature names of one owner in the order of the definition."""
    return [feature.name for feature in FEATURES[owner]]


def schema(owner: Owner) -> pa.Schema:
    """Arrow schema of the features of one owner, without entity and timestamp."""
    return pa.schema([(feature.name, feature.type) for feature in FEATURES[owner]])


def definition() -> dict[str, Any]:
    """The schema as JSON: what a model and the rows in a store say of the features that they were made with."""
    features = {str(owner): [[f.name, str(f.type), f.scaling] for f in group] for owner, group in FEATURES.items()}
    return features | {"recent": [RECENT_LENGTH, RECENT_REACH]}


def schema_digest() -> str:
    """Version of the feature schema: changes with any name, type or scaling, and with the number of recent items."""
    now = definition()
    return digest([[[owner, *feature] for owner in FEATURES for feature in now[owner]], *now["recent"]])


def only_adds_to(earlier: Mapping[str, Any]) -> bool:
    """Whether this code still computes every feature of an earlier `definition`, and new ones stand behind the old.

    Then it goes on serving models and rows of that time: the encoder of a model reads the features that it knows, and
    they are at the same positions.
    """
    now = definition()
    return earlier.get("recent") == now["recent"] and all(
        _begins_with(_read_as(kind, now[owner]), _read_as(kind, earlier[owner]))
        for owner in FEATURES
        for kind in _READ_TOGETHER
    )


_READ_TOGETHER: Final[tuple[tuple[Scaling | None, ...], ...]] = (("standard", "log", "log-age"), ("count",), (None,))
"""Scalings whose features are the columns of one array."""


def _read_as(kind: tuple[Scaling | None, ...], features: list[list[str | None]]) -> list[list[str | None]]:
    return [feature for feature in features if feature[-1] in kind]


def _begins_with(features: list[list[str | None]], earlier: list[list[str | None]]) -> bool:
    return features[: len(earlier)] == earlier
