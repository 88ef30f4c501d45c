"""Factorisation in Spark, apart from the models that use it: what answers requests loads a model and no Spark."""

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from recstack.features.arrays import Floats, Ints
from recstack.spark import open_session

BLOCK_ROWS = 1_000_000
"""Interactions of one block of Spark's ALS, the unit of its parallelism."""


def factorise(
    user: Ints,
    item: Ints,
    rating: Floats | None = None,
    *,
    rank: int,
    regularisation: float,
    iterations: int,
    seed: int,
    confidence: float = 1.0,
) -> tuple[Floats, Floats]:
    """Alternating least squares: of ratings, or implicit.

    Ratings as in Zhou et al., "Large-scale parallel collaborative filtering for the Netflix prize", AAIM 2008; implicit
    feedback as in Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008.

    Runs in the session that is open, else in one on this machine. Equal input and seed give equal factors up to a
    million interactions; of more there are several blocks, whose sums Spark adds in the order in which they end, and
    factors are equal up to rounding.

    Args:
        user: [N] user numbers.
        item: [N] item numbers.
        rating: [N] values to be predicted; None for implicit feedback.
        rank: d.
        regularisation: λ; Spark multiplies it by the number of interactions of the user or item.
        iterations: each solves for all items, then for all users.
        seed: of the first factors.
        confidence: α of implicit feedback; an interaction has confidence 1 + α.

    Returns:
        [max user + 1, d] and [max item + 1, d] factors; zeros for numbers that don't occur.
    """
    blocks = -(-len(user) // BLOCK_ROWS)
    spark = SparkSession.getActiveSession() or open_session("local[*]")
    values = np.ones(len(user), dtype=np.float32) if rating is None else rating.astype(np.float32)
    table = pa.table({"user": user.astype(np.int32), "item": item.astype(np.int32), "rating": values})
    frame = spark.createDataFrame(table).coalesce(blocks)
    model = ALS(
        rank=rank,
        maxIter=iterations,
        regParam=regularisation,
        alpha=confidence,
        implicitPrefs=rating is None,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="user",
        itemCol="item",
        ratingCol="rating",
        seed=seed,
    ).fit(frame)
    return _dense(model.userFactors, int(user.max()) + 1, rank), _dense(model.itemFactors, int(item.max()) + 1, rank)


def _dense(factors: DataFrame, rows: int, rank: int) -> Floats:
    table = factors.toArrow()
    dense = np.zeros((rows, rank), dtype=np.float32)
    values = table["features"].combine_chunks().flatten().to_numpy()
    dense[table["id"].to_numpy()] = values.reshape(-1, rank)
    return dense
