"""Each adapter reads the oddities of its files as they are meant."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.anime import Anime
from recstack.data.adapters.base import Dataset, NoDownloadError
from recstack.data.adapters.movielens_25m import MovieLens25M
from recstack.data.adapters.movielens_100k import MovieLens100K, unpack
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest
from recstack.errors import DataError
from recstack.storage.lake import Build

SourceWriter = Callable[[str], Path]


def rows(build: Build, folder: str, *names: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values()) for row in pq.read_table(build.path / folder, columns=list(names)).to_pylist())


def refused(spark: SparkSession, dataset: Dataset, folder: Path) -> str:
    lake = folder.parent / "lake"
    with pytest.raises(DataError) as error:
        ingest(spark, dataset, folder, lake)
    assert not list(lake.glob("*"))
    return str(error.value)


def test_movielens_titles_lose_the_year_and_nothing_else(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    build = ingest(spark, MovieLens25M(), source("movielens_25m"), tmp_path / "lake")
    assert rows(build, ITEMS_FOLDER, c.ITEM_ID, c.TITLE, c.YEAR, c.GENRES) == [
        (1, "Toy Story", 1995, ["adventure", "animation", "children"]),
        (2, "American President, The", 1995, ["comedy", "drama"]),
        (3, "11'09\"01 - September 11", 2002, ["drama"]),
        (4, "Dead Snow 2: Red vs. Dead", 2014, ["action", "comedy"]),
        (5, "Death Note: Desu nôto", 2006, []),
        (6, "Babylon 5", None, ["sci-fi"]),
        (7, "Cosmos", 2014, ["documentary"]),
        (8, "Assembly (Ji jie hao)", 2007, ["action", "war"]),
    ]


def test_min_year_filters_films_and_ratings_but_still_counts_orphans(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("movielens_25m")
    with (folder / "ratings.csv").open("a") as ratings:
        ratings.write("1,999,4.0,1000000000\r\n")
    build = ingest(spark, MovieLens25M(min_year=2007, accept_rejected=True), folder, tmp_path / "lake")

    assert [row[0] for row in rows(build, ITEMS_FOLDER, c.ITEM_ID)] == [4, 7, 8]
    assert {row[0] for row in rows(build, INTERACTIONS_FOLDER, c.ITEM_ID)} == {4, 7, 8}
    assert build.manifest["interactions"]["rejected"] == {"orphan_item": 1}


def test_movielens_reads_compressed_files_to_the_same_tables(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("movielens_25m")
    plain = ingest(spark, MovieLens25M(), folder, tmp_path / "lake")
    for name in ("ratings.csv", "movies.csv"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    packed = ingest(spark, MovieLens25M(), folder, tmp_path / "lake")

    assert packed.path != plain.path
    for table, names in ((ITEMS_FOLDER, [c.ITEM_ID, c.TITLE]), (INTERACTIONS_FOLDER, [c.USER_ID, c.ITEM_ID, c.RATING])):
        assert rows(packed, table, *names) == rows(plain, table, *names)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_gzip_file_cut_short_is_an_error(spark: SparkSession, source: SourceWriter, keep: float) -> None:
    folder = source("movielens_25m")
    packed = gzip.compress((folder / "ratings.csv").read_bytes())
    (folder / "ratings.csv").unlink()
    (folder / "ratings.csv.gz").write_bytes(packed[: int(keep * len(packed))])
    assert "ratings.csv.gz can't be read" in refused(spark, MovieLens25M(), folder)


def test_a_few_broken_lines_are_counted(spark: SparkSession, source: SourceWriter, tmp_path: Path) -> None:
    folder = source("movielens_25m")
    lines = ["1,2", "x,2,4.0,1000000000", "1,5,great,1000000000", "20,5,4.0,1000000000000", "21,5,4.0,soon"]
    with (folder / "ratings.csv").open("a") as ratings:
        ratings.write("\r\n".join(lines) + "\r\n")
    message = refused(spark, MovieLens25M(), folder)
    assert (
        "loses 5 of its 75 rows (null_rating: 2, such as ratings.csv, line 74: rating 'great' is no number" in message
    )
    assert "pass --accept-rejected" in message
    build = ingest(spark, MovieLens25M(accept_rejected=True), folder, tmp_path / "lake")
    assert build.manifest["interactions"]["rejected"] == {"null_id": 1, "null_rating": 2, "null_timestamp": 2}
    examples = build.manifest["interactions"]["examples"]
    assert examples["null_id"].startswith("ratings.csv, line 73: userId 'x' is no whole number")
    assert "ratings.csv, line 75: timestamp '1000000000000' is no number of seconds" in examples["null_timestamp"]


def test_quoted_line_breaks_and_other_compressions_are_read_in_every_text_file(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("movielens_25m")
    films = (folder / "movies.csv").read_text().replace("6,Babylon 5,Sci-Fi", '6,"Babylon\n5 (1993)",Sci-Fi')
    (folder / "movies.csv").write_bytes(bz2.compress(films.encode()))
    build = ingest(spark, MovieLens25M(), folder, tmp_path / "lake")
    assert (6, "Babylon\n5", 1993) in rows(build, ITEMS_FOLDER, c.ITEM_ID, c.TITLE, c.YEAR)


def test_a_text_file_with_a_missing_column_or_only_a_header_is_an_error(
    spark: SparkSession, source: SourceWriter
) -> None:
    folder = source("movielens_25m")
    (folder / "ratings.csv").write_text("userId,movieId,stars,timestamp\n1,1,4.0,1000000000\n")
    message = refused(spark, MovieLens25M(), folder)
    assert "has no column rating; it has userId, movieId, stars, timestamp" in message

    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    assert "interactions table is empty" in refused(spark, MovieLens25M(), folder)


def test_a_column_that_is_there_twice_is_an_error_unless_no_reader_needs_it(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("movielens_25m")
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp,rating\n7,2,4.5,1000000000,1\n")
    assert "ratings.csv has more than one column rating" in refused(spark, MovieLens25M(), folder)

    (folder / "ratings.csv").write_text(
        "note,,userId,movieId,rating,timestamp,,note,RATING\na,,7,2,4.5,1000000000,,b,1\n"
    )
    build = ingest(spark, MovieLens25M(), folder, tmp_path / "lake")
    assert rows(build, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID, c.RATING) == [(7, 2, 4.5)]


def test_a_text_file_whose_header_is_no_text_is_an_error(spark: SparkSession, source: SourceWriter) -> None:
    folder = source("movielens_25m")
    (folder / "ratings.csv").write_bytes(b"userId," + b"x" * 200_000 + b"\n")
    message = refused(spark, MovieLens25M(), folder)
    assert "ratings.csv has no column movieId, rating, timestamp; it has userId, xxx" in message
    assert len(message) < 300


@pytest.mark.parametrize("dataset", [MovieLens25M(), Anime()], ids=["csv", "parquet"])
def test_a_folder_whose_name_looks_like_a_pattern_is_read(
    spark: SparkSession, source: SourceWriter, tmp_path: Path, dataset: Dataset
) -> None:
    folder = source(dataset.name).rename(tmp_path / "my data [1]{a,b}*?")
    assert ingest(spark, dataset, folder, tmp_path / "lake").manifest["interactions"]["rows"]


def test_the_order_of_the_columns_and_extra_ones_do_not_matter(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("movielens_25m")
    (folder / "ratings.csv").write_text("rating,extra,timestamp,movieId,userId\n4.5,x,1000000000,2,7\n")
    build = ingest(spark, MovieLens25M(), folder, tmp_path / "lake")
    assert rows(build, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID, c.RATING) == [(7, 2, 4.5)]


def test_anime_titles_are_decoded_once_and_unknowns_are_null(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    build = ingest(spark, Anime(), source("anime"), tmp_path / "lake")
    columns = [c.TITLE, c.TYPE, c.YEAR, c.EPISODES, c.MEAN_SCORE, c.GENRES]
    assert [row[1:] for row in rows(build, ITEMS_FOLDER, c.ITEM_ID, *columns)] == [
        ("Gintama'", "TV", 2011, 51, pytest.approx(9.16), ["comedy", "sci-fi"]),
        ('"0" &lt;', None, None, None, None, []),
        ("Kimi no Na wa.", "MOVIE", 2016, 1, None, ["drama"]),
    ]


def test_a_parquet_column_that_is_missing_or_of_the_wrong_type_is_an_error(
    spark: SparkSession, source: SourceWriter
) -> None:
    folder = source("anime")
    table = pq.read_table(folder / "rating.parquet")
    pq.write_table(table.drop_columns("rating"), folder / "rating.parquet")
    assert "has no column rating; it has userID, animeID" in refused(spark, Anime(), folder)

    words = pa.array(["good"] * len(table))
    pq.write_table(table.drop_columns("rating").append_column("rating", words), folder / "rating.parquet")
    assert "column 'rating' must hold number, but its type is string" in refused(spark, Anime(), folder)


def test_a_parquet_folder_without_a_table_is_an_error(spark: SparkSession, source: SourceWriter) -> None:
    folder = source("anime")
    (folder / "rating.parquet").unlink()
    (folder / "rating.parquet").mkdir()
    assert "rating.parquet is empty" in refused(spark, Anime(), folder)
    (folder / "rating.parquet" / "_SUCCESS").write_text("done")
    (folder / "rating.parquet" / "part-0.parquet").write_bytes(b"")
    assert "rating.parquet is empty" in refused(spark, Anime(), folder)


def test_columns_that_spark_can_not_hold_do_no_harm_where_no_reader_needs_them(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source("anime")
    table = pq.read_table(folder / "anime.parquet")
    nanoseconds = pa.array([1] * len(table), pa.timestamp("ns"))  # as pandas writes a date
    pq.write_table(table.append_column("aired", nanoseconds), folder / "anime.parquet")
    assert ingest(spark, Anime(), folder, tmp_path / "lake").manifest["items"]["rows"] == 3


def test_movielens_100k_without_a_title_is_named_by_its_id(
    spark: SparkSession, source: SourceWriter, tmp_path: Path
) -> None:
    build = ingest(spark, MovieLens100K(), source("movielens_100k"), tmp_path / "lake")
    assert rows(build, ITEMS_FOLDER, c.ITEM_ID, c.TITLE, c.YEAR, c.GENRES) == [
        (1, "Toy Story", 1995, ["animation", "children's", "comedy"]),
        (2, "Misérables, Les", 1995, ["drama", "musical"]),
        (3, "item 3", None, []),
    ]


def test_a_wheel_with_another_checksum_is_not_unpacked(tmp_path: Path) -> None:
    wheel = tmp_path / "recbole-1.2.1-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(DataError, match="sha256.*not used"):
        unpack(wheel, tmp_path / "ml-100k")
    assert not (tmp_path / "ml-100k").exists()


def test_fetching_offline_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DataError, match="could not be downloaded.*package index reachable"):
        MovieLens100K().fetch(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_fetching_again_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ml-100k").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert MovieLens100K().fetch(tmp_path) == tmp_path / "ml-100k"


def test_a_dataset_that_can_not_be_fetched_names_the_files_that_it_needs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rating.parquet and anime.parquet"):
        Anime().fetch(tmp_path)


def test_a_download_is_tried_again_only_where_there_is_one(tmp_path: Path) -> None:
    from prefect.states import Failed  # Prefect takes seconds to import

    from flows.ingest import may_pass

    with pytest.raises(NoDownloadError) as none_there:
        MovieLens25M().fetch(tmp_path)
    offline = DataError("the wheel could not be downloaded")
    assert [may_pass(None, None, Failed(data=error)) for error in (offline, none_there.value)] == [True, False]
