"""Anime ratings as two Parquet files, without timestamps."""

from functools import reduce
from pathlib import Path
from typing import ClassVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls, number
from recstack.data.adapters.reading import read_parquet
from recstack.data.traits import Traits

# Titles were scraped from web pages. The ampersand comes last, so that nothing is decoded twice.
_ENTITIES = {"&#039;": "'", "&quot;": '"', "&lt;": "<", "&gt;": ">", "&amp;": "&"}


class Anime(Dataset):
    """`rating.parquet` (userID, animeID, rating) and `anime.parquet` (animeID, title, type, year, score, …)."""

    name: ClassVar[str] = "anime"
    licence: ClassVar[str] = "scraped from MyAnimeList: use your own copy and respect the source's terms"
    fixed_traits: ClassVar[Traits] = Traits(
        rating_min=0.0, rating_max=10.0, positive_from=7.0, has_timestamps=False, typical_users_only=True
    )

    def files(self, source: Path) -> list[Path]:
        """Ratings and catalogue."""
        return [source / "rating.parquet", source / "anime.parquet"]

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Ratings 0..10; there are no timestamps."""
        columns = {"userID": "number", "animeID": "number", "rating": "number"}
        return read_parquet(spark, source / "rating.parquet", columns).select(
            number("userID", "bigint").alias(c.USER_ID),
            number("animeID", "bigint").alias(c.ITEM_ID),
            number("rating", "float").alias(c.RATING),
            *nulls(c.TIMESTAMP),
        )

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue; HTML entities in titles are decoded, the type UNKNOWN is null."""
        columns = {"animeID": "number", "title": "text", "type": "text", "year": "number"}
        columns |= {"score": "number", "episodes": "number", "genres_union": "texts"}
        return read_parquet(spark, source / "anime.parquet", columns).select(
            number("animeID", "bigint").alias(c.ITEM_ID),
            _decoded(F.col("title")).alias(c.TITLE),
            F.col("genres_union").alias(c.GENRES),
            number("year", "int").alias(c.YEAR),
            F.nullif("type", F.lit("UNKNOWN")).alias(c.TYPE),
            number("episodes", "int").alias(c.EPISODES),
            number("score", "float").alias(c.MEAN_SCORE),
        )


def _decoded(title: Column) -> Column:
    return reduce(lambda text, entity: F.replace(text, F.lit(entity[0]), F.lit(entity[1])), _ENTITIES.items(), title)
