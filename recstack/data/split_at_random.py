"""A split that draws users at random, and the part of their rows that a model is given."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.splits import FOLD_IN, TEST, TRAIN, VALIDATION


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
