from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from recstack import columns as c
from recstack.features import user_rows
from recstack.features.user_rows import UserRows

SCHEMA = pa.schema([(c.USER_ID, pa.int64()), ("events", pa.int64())])


def counted(chunk: pa.Table) -> pa.Table:
    found = chunk.group_by(c.USER_ID, use_threads=False).aggregate([(c.USER_ID, "count")])
    return pa.table([found[c.USER_ID], found[f"{c.USER_ID}_count"]], schema=SCHEMA)


def refused(chunk: pa.Table) -> pa.Table:
    raise ValueError(f"no user {chunk[c.USER_ID][0]}")


def events(spark: SparkSession, users: int = 9) -> DataFrame:
    """User n has n events."""
    rows = spark.createDataFrame([(user,) for user in range(1, users + 1) for _ in range(user)], f"{c.USER_ID} long")
    return rows.repartition(3, c.USER_ID).sortWithinPartitions(c.USER_ID)


@pytest.mark.parametrize(("group", "joined"), [(1, False), (1 << 20, True)])
def test_written_rows_are_those_of_the_frame(
    spark: SparkSession, tmp_path: Path, group: int, joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_rows, "GROUP_BYTES", group)  # tasks are sent it
    rows = UserRows(events(spark), counted, SCHEMA, 4)
    rows.write(tmp_path / "rows")
    expected = [(number, number) for number in range(1, 10)]
    assert sorted(map(tuple, spark.read.parquet(str(tmp_path / "rows")).collect())) == expected
    assert sorted(map(tuple, rows.frame().collect())) == expected
    assert pq.read_table(tmp_path / "rows").schema == SCHEMA
    groups = [pq.read_metadata(path).num_row_groups for path in (tmp_path / "rows").iterdir()]
    assert (max(groups) == 1) is joined
    assert all(path.name.startswith("part-") for path in (tmp_path / "rows").iterdir()), "no draft is left"


def test_no_events_are_a_table_without_rows(spark: SparkSession, tmp_path: Path) -> None:
    rows = UserRows(events(spark, users=0), counted, SCHEMA, 4)
    rows.write(tmp_path / "rows")
    assert pq.read_table(tmp_path / "rows") == SCHEMA.empty_table()
    assert rows.frame().count() == 0


def test_a_task_that_fails_leaves_nothing_that_readers_find(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no user"):
        UserRows(events(spark), refused, SCHEMA, 4).write(tmp_path / "rows")
    assert not list((tmp_path / "rows").glob("[!.]*"))


def test_rows_are_never_mixed_with_those_of_an_earlier_job(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        UserRows(events(spark), counted, SCHEMA, 4).write(tmp_path)
