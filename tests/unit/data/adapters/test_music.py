"""The names of a track come from another table, and plays become a strength."""

import math
from datetime import datetime

import numpy as np
import pytest
import samples
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.music import Music
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest
from recstack.storage.lake import Build


@pytest.fixture(scope="module")
def build(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("music")
    samples.music(folder)
    return ingest(spark, Music(), folder, folder / "lake")


def test_ids_are_resolved_to_names_and_what_has_none_is_left_out(spark: SparkSession, build: Build) -> None:
    items = spark.read.parquet(str(build.path / ITEMS_FOLDER)).orderBy(c.ITEM_ID)
    assert [(row[c.ITEM_ID], row[c.TITLE], row[c.GENRES]) for row in items.collect()] == [
        (101, "Ann – Blue", ["jazz", "rock"]),
        (102, "Bob, Ann – Duet", ["jazz"]),  # in the order of the track's artists; a null among its genres
        (103, "Alone", []),  # its artist has no name
        (104, "item 104", []),  # neither has the track
    ]


def test_each_play_is_a_row_with_its_own_time_and_the_strength_that_was_reached_by_then(
    spark: SparkSession, build: Build
) -> None:
    rows = spark.read.parquet(str(build.path / INTERACTIONS_FOLDER)).collect()
    assert len(rows) == 48 + 2
    repeated = sorted(
        (row for row in rows if (row[c.USER_ID], row[c.ITEM_ID]) == (1, 101)), key=lambda r: r[c.TIMESTAMP]
    )
    assert [row[c.TIMESTAMP] for row in repeated] == [
        datetime(2022, 2, 2),
        datetime(2022, 12, 24, 0, 5),
        datetime(2022, 12, 24, 0, 5, 1),
    ]
    assert [row[c.RATING] for row in repeated] == [np.float32(math.log2(1 + play)) for play in (1, 2, 3)]
    assert {row[c.RATING] for row in rows if (row[c.USER_ID], row[c.ITEM_ID]) != (1, 101)} == {1.0}


def test_within_a_day_plays_keep_their_order(spark: SparkSession, build: Build) -> None:
    rows = spark.read.parquet(str(build.path / INTERACTIONS_FOLDER)).where("user_id = 2").orderBy(c.TIMESTAMP)
    timestamps = [row[c.TIMESTAMP] for row in rows.collect()]
    assert [timestamp.second for timestamp in timestamps] == [4, 5, 6, 7]
    assert {(timestamp.month, timestamp.day, timestamp.hour) for timestamp in timestamps} == {(3, 3, 0)}
