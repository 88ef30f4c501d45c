"""A number once given to a word is never given to another, however the log changes."""

from pathlib import Path

from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.csv_files import CSVFiles
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest
from recstack.storage.lake import Build

MAPPING = 'text_ids = ["user", "item"]\n[interactions]\nfile = "log.csv"\nuser = "who"\nitem = "what"\n'


def write(folder: Path, *pairs: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "log.csv").write_text("\n".join(["who,what", *pairs]) + "\n")
    return folder


def words(spark: SparkSession, build: Build, kind: str) -> dict[str, int]:
    rows = spark.read.parquet(str(build.path / f"{kind}_ids")).collect()
    return {row[c.ORIGINAL_ID]: row[f"{kind}_id"] for row in rows}


def test_words_are_numbered_in_alphabetical_order_and_name_their_items(spark: SparkSession, tmp_path: Path) -> None:
    build = ingest(spark, CSVFiles(), write(tmp_path / "data", "zoe,pear", "abe, pear ", "abe,fig"), tmp_path / "lake")
    assert words(spark, build, "user") == {"abe": 0, "zoe": 1}
    assert words(spark, build, "item") == {"fig": 0, "pear": 1}
    interactions = spark.read.parquet(str(build.path / INTERACTIONS_FOLDER)).collect()
    assert {(row[c.USER_ID], row[c.ITEM_ID]) for row in interactions} == {(1, 1), (0, 1), (0, 0)}
    items = spark.read.parquet(str(build.path / ITEMS_FOLDER)).collect()
    assert {(row[c.ITEM_ID], row[c.TITLE]) for row in items} == {(0, "fig"), (1, "pear")}


def test_a_number_keeps_its_word_when_the_log_grows_shrinks_and_changes(spark: SparkSession, tmp_path: Path) -> None:
    data, lake = tmp_path / "data", tmp_path / "lake"
    small, large = ("zoe,pear", "abe,fig"), ("zoe,pear", "abe,fig", "ada,apple")
    first = ingest(spark, CSVFiles(), write(data, *small), lake)
    again = ingest(spark, CSVFiles(), write(data, *small), lake)
    grown = ingest(spark, CSVFiles(), write(data, *large), lake)
    same = ingest(spark, CSVFiles(), write(data, *large), lake)
    back = ingest(spark, CSVFiles(), write(data, *small), lake)
    other = ingest(spark, CSVFiles(), write(data, "eve,kiwi", "zoe,fig"), lake)

    assert words(spark, first, "item") == {"fig": 0, "pear": 1}
    assert (again.path, same.path) == (first.path, grown.path)
    assert words(spark, grown, "item") == {"fig": 0, "pear": 1, "apple": 2}
    # Were the first version current again, the next log would give apple's number to its own new item.
    assert back.path != first.path
    assert words(spark, back, "item") == words(spark, grown, "item")
    assert words(spark, other, "item") == {"fig": 0, "pear": 1, "apple": 2, "kiwi": 3}
    assert words(spark, other, "user") == {"abe": 0, "zoe": 1, "ada": 2, "eve": 3}
    items = spark.read.parquet(str(other.path / ITEMS_FOLDER)).collect()
    assert {row[c.ITEM_ID] for row in items} == {0, 3}


def test_an_evaluation_numbers_each_log_for_itself(spark: SparkSession, tmp_path: Path) -> None:
    data, lake = tmp_path / "data", tmp_path / "lake"
    ingest(spark, CSVFiles(), write(data, "zoe,pear"), lake)
    build = ingest(spark, CSVFiles(), write(data, "abe,fig"), lake, keep_numbers=False)
    assert words(spark, build, "item") == {"fig": 0}
