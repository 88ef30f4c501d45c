"""A split that takes a fifth of each user's rows at random and keeps the balance of ratings."""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.splits import TEST, TRAIN, VALIDATION

_ENOUGH: Final = 5
"""Rows of a rating from which it is in test."""
_ROUNDS: Final = 3
"""How often rows are sought for ratings that are not."""
_RANK: Final = "_rank"
"""Place of a row among those of its user, from 0, from the cut on."""
_ROWS: Final = "_rows"
"""Rows of the user."""
_BEFORE: Final = "_before"
"""Rows of the users before this one, without those who have only one."""
_OTHERS: Final = "_others"
"""Rows of the user that are not test."""
_OTHERS_BEFORE: Final = "_others_before"
"""The same of the users before this one."""


def stratified(interactions: DataFrame, seed: int) -> DataFrame:
    """A fifth of each user's rows is test, and a tenth of the others validation; each has low and high ratings.

    The rows of a user are sorted by rating, those of one rating at random, and stand in a circle that is cut open at
    random; the users stand one after the other at random. Then every fifth row is test. So what is rounded off for one
    user goes to another, and it does not matter how many different ratings there are. Each user has a train row: an
    only row is one.

    A rating with `_ENOUGH` rows or more is in test, however rare it is; see `_with_rare_ratings`.
    """
    draw = F.xxhash64(F.lit(seed), c.USER_ID, c.ITEM_ID)
    user = Window.partitionBy(c.USER_ID).orderBy(c.RATING, draw, c.ITEM_ID, F.col(c.TIMESTAMP).asc_nulls_first())
    ranked = interactions.withColumn(_RANK, F.row_number().over(user)).join(_users(interactions, seed), c.USER_ID)
    ranked = ranked.withColumn(_RANK, F.pmod(F.col(_RANK) + F.xxhash64(F.lit(seed), c.USER_ID), F.col(_ROWS)))
    position = F.col(_BEFORE) + F.col(_RANK)
    place_of_other = F.col(_OTHERS_BEFORE) + F.col(_RANK) - _marks(F.col(_BEFORE), F.col(_RANK), 5)
    is_test = (F.col(_ROWS) > 1) & (_marks(position, F.lit(1), 5) == 1)
    is_validation = (F.col(_OTHERS) > 1) & (_marks(place_of_other, F.lit(1), 10) == 1)
    part = F.when(is_test, TEST).when(is_validation, VALIDATION).otherwise(TRAIN)
    divided = ranked.select(*interactions.columns, _RANK, _ROWS, part.alias(c.SPLIT))
    for _ in range(_ROUNDS):  # one row of a user may be wanted for several ratings
        rare = _missing_in_test(divided)
        if rare.isEmpty():
            break
        divided = _with_rare_ratings(divided, rare, seed)
    return divided.select(*interactions.columns, c.SPLIT)


def _users(interactions: DataFrame, seed: int) -> DataFrame:
    """(user_id, `_ROWS`, `_BEFORE`, `_OTHERS`, `_OTHERS_BEFORE`)."""
    # One partition, which holds one short row for each user.
    order = Window.partitionBy(F.lit(0)).orderBy(F.xxhash64(F.lit(seed), c.USER_ID), c.USER_ID)
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    users = interactions.groupBy(c.USER_ID).agg(F.count(F.lit(1)).alias(_ROWS))
    several = F.when(F.col(_ROWS) > 1, F.col(_ROWS)).otherwise(0)
    users = users.withColumn(_BEFORE, F.coalesce(F.sum(several).over(before), F.lit(0)))
    users = users.withColumn(_OTHERS, several - _marks(F.col(_BEFORE), several, 5))
    return users.withColumn(_OTHERS_BEFORE, F.coalesce(F.sum(_OTHERS).over(before), F.lit(0)))


def _marks(before: Column, count: Column, every: int) -> Column:
    """How many of `count` rows are marked where every `every`-th is, and `before` rows stand before them."""
    return F.floor((before + count) / every) - F.floor(before / every)


def _missing_in_test(divided: DataFrame) -> DataFrame:
    """The ratings that have `_ENOUGH` rows, and none of them in test."""
    tested = F.count_if(F.col(c.SPLIT) == TEST)
    ratings = divided.groupBy(c.RATING).agg(F.count(F.lit(1)).alias("rows"), tested.alias("tested"))
    return ratings.where((F.col("rows") >= _ENOUGH) & (F.col("tested") == 0)).select(c.RATING)


def _with_rare_ratings(divided: DataFrame, rare: DataFrame, seed: int) -> DataFrame:
    """Move a row of each of these ratings into test, if a user can give one.

    Where the row's user has a test row that its rating can spare, that one goes to train in exchange.

    Args:
        divided: interactions with `_RANK`, `_ROWS` and `split`.
        rare: the ratings.
        seed: of the draw.
    """
    draw = F.xxhash64(F.lit(seed), c.USER_ID, _RANK)
    of_rating = Window.partitionBy(c.RATING).orderBy(draw)
    tests = divided.where(F.col(c.SPLIT) == TEST).withColumn("place", F.row_number().over(of_rating))
    spare = tests.where("place > 1").groupBy(c.USER_ID).agg(F.min(_RANK).alias("spare"))
    trained = F.count_if(F.col(c.SPLIT) == TRAIN).over(Window.partitionBy(c.USER_ID))
    several = divided.where(F.col(_ROWS) > 1).withColumn("trained", trained)
    candidates = several.join(F.broadcast(rare), c.RATING).join(spare, c.USER_ID, "left")
    best = Window.partitionBy(c.RATING).orderBy(F.col("spare").isNull(), draw)
    chosen = candidates.withColumn("place", F.row_number().over(best)).where("place = 1")
    turn = F.row_number().over(Window.partitionBy(c.USER_ID).orderBy(draw))
    chosen = chosen.withColumn("turn", turn).withColumn("exchanged", F.when(F.col("turn") == 1, F.col("spare")))
    # Without an exchange less than a quarter of the user's train rows may go.
    chosen = chosen.where(F.col("exchanged").isNotNull() | (F.col("turn") * 4 < F.col("trained")))
    into_test = chosen.select(c.USER_ID, _RANK, F.lit(TEST).alias("moved"))
    into_train = chosen.where("exchanged is not null").select(
        c.USER_ID, F.col("exchanged").alias(_RANK), F.lit(TRAIN).alias("moved")
    )
    moves = into_test.unionByName(into_train)
    moved = divided.join(moves, [c.USER_ID, _RANK], "left")
    return moved.withColumn(c.SPLIT, F.coalesce("moved", c.SPLIT)).select(*divided.columns)
