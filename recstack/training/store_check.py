"""Compares the features that models learn from with those that Feast's point-in-time join gives for the same rows."""

import operator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.data.folders import INTERACTIONS_FOLDER
from recstack.feature_store.generations import FeatureStoreError
from recstack.feature_store.offline import historical
from recstack.features import spec
from recstack.features.arrays import Ints
from recstack.features.interaction_log import MICROSECOND, InteractionLog, Prefixes
from recstack.features.item_genres import ItemGenres
from recstack.settings import Settings
from recstack.storage.lake import Build

COMPARED: Final = 1_000
"""Rows that are compared, at most."""
TOLERANCE: Final = 1e-5
"""Sums of another order differ in the last bits of a float32."""


def check_against_store(
    settings: Settings, features: Build, genres: ItemGenres, known: Prefixes, user_ids: Ints, seconds: Ints
) -> None:
    """Compare a sample of training rows with the feature store, value by value.

    In data without time a training row leaves its own interaction out, and the store holds one row a user. There the
    whole histories of the sample's users are compared.

    Args:
        settings: which Feast store.
        features: the feature tables, applied to Feast.
        genres: the catalogue's genres.
        known: what each of N rows sees.
        user_ids: [N] theirs.
        seconds: [N] their timestamps.

    Raises:
        FeatureStoreError: a feature differs; the message names the row, the feature and both values.
    """
    some = np.sort(np.random.default_rng(0).choice(len(user_ids), min(len(user_ids), COMPARED), replace=False))
    user_ids, seconds = user_ids[some], seconds[some]
    if known.left_out is None:
        computed = known.features(some, genres)
    else:
        of_these = pc.field(c.USER_ID).isin(user_ids)
        log = InteractionLog.of(pq.read_table(features.path / INTERACTIONS_FOLDER, filters=of_these))
        computed = log.before(user_ids).features(np.arange(len(some)), genres)
    timestamps = pa.array(seconds * MICROSECOND, pa.timestamp("us", tz="UTC"))
    entities = pa.table({c.USER_ID: user_ids, c.EVENT_TIMESTAMP: timestamps})
    stored = historical(settings, "user", entities, features.path)
    for feature in spec.FEATURES["user"]:
        ours, theirs = computed[feature.name].to_pylist(), stored[feature.name].to_pylist()
        same = _nearly if feature.type in (pa.float32(), pa.list_(pa.float32())) else operator.eq
        for row, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            if not same(value, other):
                raise FeatureStoreError(
                    f"{feature.name} of user {user_ids[row]} as of {timestamps[row]} is {value!s:.80} in training, but"
                    f" {other!s:.80} in the feature store: {features.path} is damaged or was written by other code;"
                    " remove this folder, and build the features again"
                )


def _nearly(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return value is other
    return np.shape(value) == np.shape(other) and np.allclose(value, other, rtol=TOLERANCE, atol=TOLERANCE)
