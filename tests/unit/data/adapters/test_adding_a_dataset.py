"""The examples of docs/adding-a-dataset.md work as written."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from checkout import ROOT
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.base import Dataset, configure
from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import ItemTable, Log, Scale
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest

PAGE = ROOT / "docs" / "adding-a-dataset.md"


def write_files(folder: Path) -> None:
    for name, text in re.findall(r"```(?:csv|toml) (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (folder / name).write_text(text)


def test_the_example_without_code_gives_the_tables_that_the_page_promises(spark: SparkSession, tmp_path: Path) -> None:
    write_files(tmp_path)
    build = ingest(spark, configure("csv", {"accept_rejected": True}), tmp_path, tmp_path / "lake")
    items = spark.read.parquet(str(build.path / ITEMS_FOLDER)).orderBy(c.ITEM_ID)

    assert build.manifest["interactions"]["rows"] == 4
    assert build.manifest["interactions"]["rejected"] == {"null_timestamp": 1}
    assert [(row[c.TITLE], row[c.GENRES], row[c.YEAR]) for row in items.collect()] == [
        ("Emma", ["classics", "romance"], 1815),
        ("Dune", ["classics", "science fiction"], 1965),
        ("0-99-000000", [], None),
    ]


def test_the_page_names_every_key_of_a_mapping() -> None:
    page = PAGE.read_text()
    keys = {name for table in (Mapping, Log, ItemTable, Scale) for name in table.model_fields}
    assert not [key for key in keys if f"`{key}`" not in page and f"`[{key}]`" not in page]


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Dataset]:
    write_files(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "books.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    example: type[Dataset] = import_module("books").Books
    return example


def test_the_example_gives_the_tables_that_the_page_promises(
    spark: SparkSession, books: type[Dataset], tmp_path: Path
) -> None:
    build = ingest(spark, books(accept_rejected=True), tmp_path, tmp_path / "lake")
    items = spark.read.parquet(str(build.path / ITEMS_FOLDER)).orderBy(c.ITEM_ID)

    assert build.manifest["interactions"]["rows"] == 5
    assert build.manifest["interactions"]["rejected"] == {"rating_out_of_range": 1, "null_timestamp": 1}
    assert [(row[c.TITLE], row[c.GENRES]) for row in items.collect()] == [
        ("Emma, a novel", ["classics", "romance"]),
        ("Dune", ["classics", "science fiction"]),
        ("item 12", []),
    ]


def test_the_example_s_option_leaves_out_books_and_their_ratings(
    spark: SparkSession, books: type[Dataset], tmp_path: Path
) -> None:
    build = ingest(spark, books(max_pages=500, accept_rejected=True), tmp_path, tmp_path / "lake")
    interactions = spark.read.parquet(str(build.path / INTERACTIONS_FOLDER))
    assert {row[c.ITEM_ID] for row in interactions.collect()} == {10, 12}
    assert "orphan_item" not in build.manifest["interactions"]["rejected"]
