"""MovieLens in the layout that GroupLens has used since 2014: 25M, 20M, latest and latest-small."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls, number
from recstack.data.adapters.mapping_tables import Log
from recstack.data.adapters.reading import read_delimited
from recstack.data.adapters.staged import fixed_mapping, log_frame
from recstack.data.traits import Traits

# "Toy Story (1995)", and for a series "Death Note (2006–2007)" or "Cosmos (2014–)".
_TITLE_AND_YEAR = r"(?s)^(.*\S)\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$"
_NO_GENRES = "(no genres listed)"


class MovieLens25M(Dataset):
    """`ratings.csv` (userId, movieId, rating, timestamp) and `movies.csv` (movieId, title, genres), plain or `.gz`."""

    name: ClassVar[str] = "movielens_25m"
    licence: ClassVar[str] = "GroupLens: research use, no redistribution without permission (grouplens.org/datasets)"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=0.5, rating_max=5.0, positive_from=4.0, has_timestamps=True)

    min_year: int | None = Field(None, ge=1, description="leave out films before this year, or without one")

    def files(self, source: Path) -> list[Path]:
        """Ratings and catalogue; the compressed file where only that exists."""
        plain = [source / "ratings.csv", source / "movies.csv"]
        packed = [path.with_name(f"{path.name}.gz") for path in plain]
        return [gz if gz.exists() and not csv.exists() else csv for csv, gz in zip(plain, packed, strict=True)]

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Half stars 0.5..5, without those of films that `min_year` leaves out."""
        log = Log(
            file=self.files(source)[0].name,
            user="userId",
            item="movieId",
            rating="rating",
            time="timestamp",
            time_format="seconds",
        )
        ratings = log_frame(spark, source, fixed_mapping(log, self.fixed_traits))
        if self.min_year is None:
            return ratings
        # Not a join with the films that stay: a rating of an unknown film must still be counted as an orphan.
        films = self._films(spark, source)
        left_out = films.where(F.coalesce(F.col(c.YEAR), F.lit(0)) < self.min_year).select(c.ITEM_ID)
        return ratings.join(left_out, on=c.ITEM_ID, how="left_anti").select(*ratings.columns)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """Films from `min_year` on; the year is taken out of the title."""
        films = self._films(spark, source)
        return films if self.min_year is None else films.where(F.col(c.YEAR) >= self.min_year)

    def _films(self, spark: SparkSession, source: Path) -> DataFrame:
        year = F.nullif(F.regexp_extract("title", _TITLE_AND_YEAR, 2), F.lit(""))
        title = F.nullif(F.regexp_extract("title", _TITLE_AND_YEAR, 1), F.lit(""))
        return read_delimited(spark, self.files(source)[1], ["movieId", "title", "genres"]).select(
            number("movieId", "bigint").alias(c.ITEM_ID),
            F.coalesce(title, F.col("title")).alias(c.TITLE),
            F.split(F.nullif("genres", F.lit(_NO_GENRES)), r"\|").alias(c.GENRES),
            year.cast("int").alias(c.YEAR),
            *nulls(c.TYPE, c.EPISODES, c.MEAN_SCORE),
        )
