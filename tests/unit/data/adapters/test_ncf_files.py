"""The split and the negatives of the files reach the evaluation as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.ncf_files import NCFFiles
from recstack.data.assign_split import assign
from recstack.data.ingest import HELD_OUT_FOLDER, INTERACTIONS_FOLDER, ITEMS_FOLDER, NEGATIVES_FOLDER, ingest
from recstack.errors import DataError

Pairs = set[tuple[int, int]]


def pairs(spark: SparkSession, folder: Path, where: str = "true") -> Pairs:
    rows = spark.read.parquet(str(folder)).where(where).select(c.USER_ID, c.ITEM_ID).collect()
    return {(row[0], row[1]) for row in rows}


def of_file(path: Path) -> Pairs:
    return {(int(line.split()[0]), int(line.split()[1])) for line in path.read_text().splitlines()}


def test_rows_negatives_and_items_are_those_of_the_files(
    spark: SparkSession, source: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = source("ncf_files")
    build = ingest(spark, NCFFiles(), folder, tmp_path / "lake")
    train, test = of_file(folder / "ml-1m.train.rating"), of_file(folder / "ml-1m.test.rating")
    assert pairs(spark, build.path / INTERACTIONS_FOLDER) == train | test
    assert pairs(spark, build.path / HELD_OUT_FOLDER) == test
    assert pairs(spark, build.path / NEGATIVES_FOLDER) == {(user, item) for user, _ in test for item in range(20, 29)}
    items = spark.read.parquet(str(build.path / ITEMS_FOLDER)).orderBy(c.ITEM_ID).collect()
    assert [row[c.ITEM_ID] for row in items] == [*sorted({item for _, item in train | test}), *range(20, 29)]


@pytest.mark.parametrize("protocol", ["leave-last-out", "leave-last-out-99"])
def test_the_test_part_is_that_of_the_files_whatever_came_last(
    spark: SparkSession, source: Callable[[str], Path], tmp_path: Path, protocol: str
) -> None:
    folder = source("ncf_files")
    build = ingest(spark, NCFFiles(), folder, tmp_path / "lake")
    interactions, held_out = (
        spark.read.parquet(str(build.path / name)) for name in (INTERACTIONS_FOLDER, HELD_OUT_FOLDER)
    )
    test = of_file(folder / "ml-1m.test.rating")
    for given, same in ((held_out, True), (None, False)):
        rows = assign(interactions, protocol, 0, held_out=given).collect()
        by_part = {part: {(r[0], r[1]) for r in rows if r[c.SPLIT] == part} for part in ("train", "validation", "test")}
        assert (by_part["test"] == test) is same
        assert {user for user, _ in by_part["validation"]} == {user for user, _ in test}
        assert sum(map(len, by_part.values())) == interactions.count()


def test_a_file_of_another_layout_is_refused(spark: SparkSession, source: Callable[[str], Path]) -> None:
    folder = source("ncf_files")
    (folder / "ml-1m.test.negative").write_text("1\t2\t3\n")
    with pytest.raises(DataError, match=r"test.negative: its first line is not \(user,item\), then items"):
        ingest(spark, NCFFiles(), folder, folder / "lake")
    (folder / "ml-1m.train.rating").write_text("1\t2\t3\n")
    with pytest.raises(DataError, match="train.rating: its first line has 3 columns, not the 4 of user, item"):
        ingest(spark, NCFFiles(), folder, folder / "lake")
