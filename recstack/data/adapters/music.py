"""Plays of music tracks as three Parquet files; the names of the catalogue are in a table of their own."""

from pathlib import Path
from typing import ClassVar

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls, number
from recstack.data.adapters.reading import read_parquet
from recstack.data.traits import Traits

_MOST_STRENGTH = 10.0


class Music(Dataset):
    """`tracks.parquet`, `catalog_names.parquet` and `interactions.parquet`.

    - tracks: track_id, and lists of ids: albums (not used), artists, genres (some hold a null).
    - catalog_names: id, type ("track", "album", "artist" or "genre"), name; an id is unique within its type.
    - interactions: user_id, track_id, track_seq (the number of the play among the user's plays), started_at (a date).

    A rating is the strength of an implicit preference as of a play, log2(1 + plays so far), at most 10: 1 for the first
    play of a track, 2 for the third, 3 for the seventh. Each further play adds less, as in Hu, Koren and Volinsky,
    Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008. Every play is a positive.

    The timestamp of a play is midnight of its date plus one second for each earlier play of the user: within a day
    only the order is known. It can be compared within a user; to divide all users alike, split at a date (`split_at`).
    """

    name: ClassVar[str] = "music"
    licence: ClassVar[str] = "of the streaming service that recorded it: use your own copy and respect its terms"
    fixed_traits: ClassVar[Traits] = Traits(
        rating_min=0.0, rating_max=_MOST_STRENGTH, positive_from=1.0, has_timestamps=True
    )

    def files(self, source: Path) -> list[Path]:
        """Plays, tracks and names."""
        return [source / name for name in ("interactions.parquet", "tracks.parquet", "catalog_names.parquet")]

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """One row a play, with the strength that the user's plays of the track have reached by then."""
        columns = {"user_id": "number", "track_id": "number", "track_seq": "number", "started_at": "time"}
        day = F.unix_seconds(F.col("started_at").cast("timestamp"))
        plays = read_parquet(spark, self.files(source)[0], columns).select(
            number("user_id", "bigint").alias(c.USER_ID),
            number("track_id", "bigint").alias(c.ITEM_ID),
            F.timestamp_seconds(day + F.greatest(F.col("track_seq"), F.lit(0))).alias(c.TIMESTAMP),
        )
        so_far = F.row_number().over(Window.partitionBy(c.USER_ID, c.ITEM_ID).orderBy(c.TIMESTAMP))
        strength = F.least(F.log2(so_far + 1.0), F.lit(_MOST_STRENGTH)).cast("float")
        return plays.select(c.USER_ID, c.ITEM_ID, strength.alias(c.RATING), c.TIMESTAMP)

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """Tracks as "artist, artist – track", with the names of their genres."""
        columns = {"track_id": "number", "artists": "numbers", "genres": "numbers"}
        tracks = read_parquet(spark, self.files(source)[1], columns)
        named = read_parquet(spark, self.files(source)[2], {"id": "number", "type": "text", "name": "text"})
        # A name that is there twice must not duplicate tracks in the join.
        names = named.groupBy(F.col("id").alias("_id"), "type").agg(F.min("name").alias("_name"))

        track = names.where(F.col("type") == "track").select(
            F.col("_id").alias("track_id"), F.col("_name").alias("track")
        )
        artist = F.concat_ws(", ", "artists")
        title = F.when(artist == "", F.col("track")).otherwise(F.concat(artist, F.lit(" – "), F.col("track")))
        return (
            tracks.select("track_id")
            .distinct()
            .join(track, on="track_id", how="left")
            .join(_resolved(tracks, "artists", "artist", names), on="track_id", how="left")
            .join(_resolved(tracks, "genres", "genre", names), on="track_id", how="left")
            .select(
                number("track_id", "bigint").alias(c.ITEM_ID),
                title.alias(c.TITLE),
                F.col("genres").alias(c.GENRES),
                *nulls(c.YEAR, c.TYPE, c.EPISODES, c.MEAN_SCORE),
            )
        )


def _resolved(tracks: DataFrame, column: str, kind: str, names: DataFrame) -> DataFrame:
    """(track_id, `column`): the names of the ids in each list, in its order, without nulls and ids without a name."""
    each = tracks.select("track_id", F.posexplode(column).alias("_index", "_id")).where(F.col("_id").isNotNull())
    named = each.join(names.where(F.col("type") == kind), on="_id", how="inner")
    in_order: Column = F.array_sort(F.collect_set(F.struct("_index", "_name")))
    return named.groupBy("track_id").agg(in_order.getField("_name").alias(column))
