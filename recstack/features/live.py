"""User features at exact moments, row by row: what the online store would have answered just then."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.features.profile import ItemGenres
from recstack.features.spec import schema
from recstack.features.user import as_of


def live_features(spark: SparkSession, interactions: DataFrame, points: pa.Table, genres: ItemGenres) -> pa.Table:
    """Features at N points, each from the interactions strictly before it.

    Args:
        spark: a session.
        interactions: user_id, item_id, rating, timestamp.
        points: N rows of user_id, event_timestamp (null: everything is known), in any order, with repetitions.
        genres: the catalogue's genres.

    Returns:
        N rows of `spec.schema("user")` in the order of `points`.
    """
    entity = [c.USER_ID, c.EVENT_TIMESTAMP]
    users = points[c.USER_ID].to_numpy()
    moments = pc.fill_null(pc.cast(points[c.EVENT_TIMESTAMP], pa.int64()), -1).to_numpy()
    _, first, place = np.unique(np.stack([users, moments]), axis=1, return_index=True, return_inverse=True)
    distinct = spark.createDataFrame(points.select(entity).take(first))
    rows = as_of(interactions, distinct, genres).frame().toArrow().sort_by([(name, "ascending") for name in entity])
    return rows.select(schema("user").names).take(place.ravel())
