"""Synthetic data are the same however they are divided, and hold the tastes that were planted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.synthetic import FAVOURITES, Synthetic, genre_name

SPEC = Synthetic(n_users=400, n_items=300, n_genres=12, mean_ratings=20, seed=7)


def ratings(spark: SparkSession, spec: Synthetic) -> pd.DataFrame:
    return spec.read_interactions(spark, Path()).toPandas().sort_values([c.USER_ID, c.ITEM_ID], ignore_index=True)


def test_partitions_do_not_change_the_data_and_the_seed_does(spark: SparkSession) -> None:
    whole = ratings(spark, SPEC)
    # A mean of 25,000 ratings makes blocks of two users, capped to the same count by the catalogue's size.
    small_blocks = ratings(spark, SPEC.model_copy(update={"mean_ratings": 25_000}))
    large_blocks = ratings(spark, SPEC.model_copy(update={"mean_ratings": 10_000}))

    assert whole.equals(ratings(spark, SPEC))
    assert small_blocks.equals(large_blocks)
    assert not whole.equals(ratings(spark, SPEC.model_copy(update={"seed": 8})))


def test_size_and_popularity_are_as_configured(spark: SparkSession) -> None:
    table = ratings(spark, SPEC)
    assert table[c.USER_ID].nunique() == SPEC.n_users
    assert table[c.ITEM_ID].between(1, SPEC.n_items).all()
    assert not table.duplicated([c.USER_ID, c.ITEM_ID]).any()
    assert abs(len(table) / SPEC.n_users - SPEC.mean_ratings) < 3
    popularity = table[c.ITEM_ID].value_counts()
    assert popularity.head(30).sum() > 3 * popularity.sum() * 30 / SPEC.n_items


def test_users_choose_and_like_the_genres_that_were_planted(spark: SparkSession) -> None:
    table = ratings(spark, SPEC).merge(SPEC.read_items(spark, Path()).toPandas()[[c.ITEM_ID, c.GENRES]], on=c.ITEM_ID)
    tastes = SPEC.tastes(table[c.USER_ID].to_numpy())
    assert all(len(set(row)) == FAVOURITES for row in tastes)
    favourites = [{genre_name(int(genre)) for genre in row} for row in tastes]
    liked = np.array([bool(names & set(genres)) for names, genres in zip(favourites, table[c.GENRES], strict=True)])

    assert liked.mean() > 0.65
    assert table[c.RATING][liked].mean() > table[c.RATING][~liked].mean() + 0.8


def test_a_taste_depends_on_the_seed_and_the_user_alone() -> None:
    larger = Synthetic(n_users=10**9, n_items=77, n_genres=12, mean_ratings=3, seed=7)
    assert (SPEC.tastes(np.arange(1, 50)) == larger.tastes(np.arange(1, 50))).all()
    assert (SPEC.tastes([9]) == SPEC.tastes(np.arange(1, 50))[8]).all()


def test_a_user_comes_in_sessions_within_half_a_year(spark: SparkSession) -> None:
    table = ratings(spark, SPEC).sort_values([c.USER_ID, c.TIMESTAMP])
    gaps = table.groupby(c.USER_ID)[c.TIMESTAMP].diff().dropna()
    assert (gaps <= pd.Timedelta(minutes=1)).mean() > 0.7
    assert (gaps > pd.Timedelta(days=1)).mean() > 0.02
    assert table[c.TIMESTAMP].min() >= pd.Timestamp("2024-01-01")
    assert table[c.TIMESTAMP].max() <= pd.Timestamp("2024-07-01")


def test_one_user_can_have_a_heavy_history_and_the_others_stay_as_they_were(spark: SparkSession) -> None:
    usual, heavy = (Synthetic(n_users=40, n_items=300, heaviest=each) for each in (0, 250))
    tables = [each.read_interactions(spark, Path()).toArrow() for each in (usual, heavy)]
    of_first = tables[1].filter(pc.equal(tables[1]["user_id"], 1))
    assert len(of_first) == len(set(of_first["item_id"].to_pylist())) == 250
    others = [table.filter(pc.not_equal(table["user_id"], 1)) for table in tables]
    assert others[0].equals(others[1])
