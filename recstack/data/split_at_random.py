"""Splits that draw interactions or users at random and ignore timestamps."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.splits import FOLD_IN, TEST, TRAIN, VALIDATION


def stratified(interactions: DataFrame, seed: int) -> DataFrame:
    """In the order of ratings every fifth row is test, and of the others every tenth validation; see `_share`.

    Which rows of a rating value these are is random. A value with 5 rows or more is in train and in test; where nearly
    every row has a value of its own, each part has its share of low and of high ones. Each user has a train row: a user
    without any gets one back, one of the rating that is most frequent in the data, so that rare ratings stay in test.
    For the same reason the only row of a user is drawn after all others of its rating: it would have to come back.
    """
    count, below, rank, drawn, only = "_count", "_below", "_rank", "_drawn", "_only"
    lower = Window.orderBy(c.RATING).rowsBetween(Window.unboundedPreceding, -1)  # one short row for each rating value
    values = interactions.groupBy(c.RATING).agg(F.count(F.lit(1)).alias(count))
    values = values.select("*", F.coalesce(F.sum(count).over(lower), F.lit(0)).alias(below))
    rating = Window.partitionBy(c.RATING)
    user = Window.partitionBy(c.USER_ID)
    order = [_draw(seed, c.USER_ID, c.ITEM_ID), F.col(c.USER_ID), F.col(c.ITEM_ID)]
    ranked = (
        interactions.withColumn(only, F.count(F.lit(1)).over(user) == 1)
        .withColumn(rank, F.row_number().over(rating.orderBy(only, *order)))
        .join(values, on=c.RATING, how="inner")
    )
    test = _share(F.col(below), F.col(count), 5)
    others_below = F.col(below) - F.floor(F.col(below) / 5)
    validation = _share(others_below, F.col(count) - test, 10)
    part = F.when(F.col(rank) <= test, TEST).when(F.col(rank) <= test + validation, VALIDATION).otherwise(TRAIN)
    divided = ranked.select("*", part.alias(drawn))

    has_train = F.bool_or(F.col(drawn) == TRAIN).over(user)
    returned = F.row_number().over(user.orderBy(F.desc(count), F.desc(c.RATING), *order)) == 1
    split = F.when(~has_train & returned, TRAIN).otherwise(F.col(drawn))
    return divided.select(*interactions.columns, split.alias(c.SPLIT))


def _share(below: Column, count: Column, every: int) -> Column:
    """How many rows of a rating value with `count` rows, and `below` rows of lower values, are each `every`-th of all.

    It is `count` / `every`, rounded down or up: what is rounded off is carried to the next value and never lost.
    """
    return F.floor((below + count) / every) - F.floor(below / every)


def held_out_users(interactions: DataFrame, seed: int) -> DataFrame:
    """A random 10 % of the users are test, 10 % validation, the others train; see `with_fold_in`.

    The protocol of Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018.
    """
    index, users = "_index", "_users"
    # Both windows have one partition, which holds one short row for each user.
    all_users = Window.partitionBy(F.lit(0))
    ranked = (
        interactions.select(c.USER_ID)
        .distinct()
        .select(
            c.USER_ID,
            (F.row_number().over(all_users.orderBy(_draw(seed, c.USER_ID), c.USER_ID)) - 1).alias(index),
            F.count(F.lit(1)).over(all_users).alias(users),
        )
    )
    tenth = F.col(index) * 10 / F.col(users)
    split = F.when(tenth < 1, TEST).when(tenth < 2, VALIDATION).otherwise(TRAIN)
    parts = ranked.select(c.USER_ID, split.alias(c.SPLIT))
    return interactions.join(parts, on=c.USER_ID, how="inner").select(*interactions.columns, c.SPLIT)


def with_fold_in(held_out: DataFrame, seed: int) -> DataFrame:
    """Move the history that a model is given of held-out users into the part `FOLD_IN`; the targets stay in theirs.

    Args:
        held_out: all rows of the users of a part of `held_out_users`, with the column `split`.
        seed: of the draw; see `fold_in`.
    """
    return held_out.withColumn(c.SPLIT, F.when(fold_in(seed), FOLD_IN).otherwise(F.col(c.SPLIT)))


def fold_in(seed: int) -> Column:
    """True for a random 80 % of each user's rows: the history that a model is given of a held-out user.

    The other rows are the targets: at least one where the user has two rows or more. Use it on a frame that holds all
    rows of the users in question.
    """
    user = Window.partitionBy(c.USER_ID)
    rank = F.row_number().over(user.orderBy(_draw(seed, c.USER_ID, c.ITEM_ID), c.ITEM_ID))
    rows = F.count(F.lit(1)).over(user)
    targets = F.least(F.greatest(F.floor(rows / 5), F.lit(1)), rows - 1)
    return rank > targets


def _draw(seed: int, *keys: str) -> Column:
    """A random number that belongs to the keys, so that neither row order nor partitioning can change it."""
    return F.xxhash64(F.lit(seed), *keys)
