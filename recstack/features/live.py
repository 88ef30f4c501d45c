"""User features as of the timestamp of each evaluation query: what an online store would hold that was loaded then."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.features.item_genres import ItemGenres
from recstack.features.spec import schema
from recstack.features.user import as_of

_LAST: Final = 2**63 - 1
"""Stands for null, which `sort_by` puts last; every smaller number is a time, also those before 1970."""


def live_features(spark: SparkSession, interactions: DataFrame, queries: pa.Table, genres: ItemGenres) -> pa.Table:
    """Features for N queries, each from the interactions strictly before its timestamp.

    Args:
        spark: a session.
        interactions: user_id, item_id, rating, timestamp.
        queries: N rows of user_id, event_timestamp (null: everything is known), in any order, with repetitions.
        genres: the catalogue's genres.

    Returns:
        N rows of `spec.schema("user")` in the order of `queries`.
    """
    entity = [c.USER_ID, c.EVENT_TIMESTAMP]
    users = queries[c.USER_ID].to_numpy()
    timestamps = pc.fill_null(pc.cast(queries[c.EVENT_TIMESTAMP], pa.int64()), _LAST).to_numpy()
    keys = np.stack([users, timestamps])
    _, first, inverse = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    distinct = spark.createDataFrame(queries.select(entity).take(first))
    rows = as_of(interactions, distinct, genres).frame().toArrow().sort_by([(name, "ascending") for name in entity])
    return rows.select(schema("user").names).take(inverse.ravel())
