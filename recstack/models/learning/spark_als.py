"""Alternating least squares in Spark; kept apart so that serving can import the models without importing Spark."""

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from recstack.features.arrays import Floats, Ints
from recstack.progress import working
from recstack.spark import open_session

BLOCK_ROWS = 1_000_000
"""Interactions of one block of Spark's ALS, the unit of its parallelism."""


def factorise(
    user: Ints,
    item: Ints,
    rating: Floats | None = None,
    *,
    n_items: int,
    rank: int,
    regularisation: float,
    iterations: int,
    seed: int,
    confidence: float = 1.0,
) -> tuple[Floats, Floats]:
    """Alternating least squares on ratings, or on implicit feedback.

    Ratings as in Zhou et al., "Large-scale parallel collaborative filtering for the Netflix prize", AAIM 2008; implicit
    feedback as in Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008.

    Runs in the active Spark session, or in a new one on this machine. Up to a million interactions, equal input and
    seed give equal factors. With more there are several blocks; Spark adds their sums in the order in which they end,
    and factors are equal up to rounding.

    Args:
        user: [N] user numbers.
        item: [N] item numbers.
        rating: [N] values to be predicted; None for implicit feedback.
        n_items: I, the size of the catalogue.
        rank: d.
        regularisation: λ; Spark multiplies it by the number of interactions of the user or item.
        iterations: each solves for all items, then for all users.
        seed: of the first factors.
        confidence: α of implicit feedback; an interaction has confidence 1 + α.

    Returns:
        [max user + 1, d] and [I, d] factors; zeros for numbers that don't occur.
    """
    blocks = -(-len(user) // BLOCK_ROWS)
    with working(f"alternating least squares in Spark: {len(user):,} interactions, {iterations} iterations"):
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
        return _dense(model.userFactors, int(user.max()) + 1, rank), _dense(model.itemFactors, n_items, rank)


def _dense(factors: DataFrame, rows: int, rank: int) -> Floats:
    """[rows, rank] factors by number."""
    table = factors.toArrow()
    dense = np.zeros((rows, rank), dtype=np.float32)
    values = table["features"].combine_chunks().flatten().to_numpy()
    dense[table["id"].to_numpy()] = values.reshape(-1, rank)
    return dense
