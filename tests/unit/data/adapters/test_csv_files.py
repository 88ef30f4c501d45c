"""A log of any layout is read as its mapping says, or an error names the mistake in the mapping."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.csv_files import CSVFiles
from recstack.data.adapters.mapping import read_mapping
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest
from recstack.errors import DataError
from recstack.storage.lake import Build

LOG = {"file": "log.csv", "user": "who", "item": "what"}
SCALE = {"min": 1, "max": 5, "positive_from": 4}


def toml(**tables: object) -> str:
    """Top-level values first, then tables."""
    values = [f"{name} = {value!r}" for name, value in tables.items() if not isinstance(value, dict)]
    for name, table in tables.items():
        if isinstance(table, dict):
            values += [f"[{name}]", *(f"{key} = {value!r}" for key, value in table.items())]
    return "\n".join(values) + "\n"


def build(spark: SparkSession, folder: Path, *, accept_rejected: bool = False, **tables: object) -> Build:
    (folder / "mapping.toml").write_text(toml(**tables))
    return ingest(spark, CSVFiles(accept_rejected=accept_rejected), folder, folder / "lake")


def rows(built: Build, folder: str, *names: str) -> list[tuple[object, ...]]:
    """Rows of a table in their order; times in UTC without a zone."""
    table = pq.read_table(built.path / folder, columns=list(names))
    if c.TIMESTAMP in names:
        at = table.column_names.index(c.TIMESTAMP)
        table = table.set_column(at, c.TIMESTAMP, table[c.TIMESTAMP].cast(pa.timestamp("us")))
    return sorted(tuple(row.values()) for row in table.to_pylist())


def test_a_log_of_pairs_alone_is_implicit_without_timestamps_and_gives_its_own_items(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text("who,what\n1,10\n1,10\n2,10\n2,11\n,12\n")
    built = build(spark, tmp_path, interactions=LOG, accept_rejected=True)
    ratings = rows(built, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP)
    assert ratings == [(1, 10, 1.0, None), (2, 10, 1.0, None), (2, 11, 1.0, None)]
    assert built.manifest["interactions"]["rejected"] == {"null_id": 1}
    assert built.manifest["interactions"]["repeated"] == 1
    assert built.manifest["interactions"]["examples"] == {"null_id": "log.csv, line 6: who is empty"}
    assert rows(built, ITEMS_FOLDER, c.ITEM_ID, c.TITLE) == [(10, "item 10"), (11, "item 11"), (12, "item 12")]
    assert built.manifest["traits"] == {
        "rating_min": 0.0,
        "rating_max": 1.0,
        "positive_from": 1.0,
        "has_timestamps": False,
        "typical_users_only": False,
        "text_ids": False,
    }


def test_names_with_dots_and_whole_numbers_with_a_point_are_read(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user.id,`item`\n1.0,10\n2,10.0\n2.5,10\n")
    log = {"file": "log.csv", "user": "user.id", "item": "`item`"}
    (tmp_path / "items.csv").write_text("id,first.year\n10,1999.0\n")
    items = {"file": "items.csv", "item": "id", "year": "first.year"}
    built = build(spark, tmp_path, interactions=log, items=items, text_ids=[], accept_rejected=True)
    assert rows(built, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID) == [(1, 10), (2, 10)]
    assert built.manifest["interactions"]["rejected"] == {"null_id": 1}
    assert rows(built, ITEMS_FOLDER, c.ITEM_ID, c.YEAR) == [(10, 1999)]


def test_a_repeated_event_is_one_of_its_own_at_its_time_and_the_same_row_twice_counts_once(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = ["1,10,2024-03-01T10:00:00+02:00", "1,10,2024-03-02", "1,10,", "1,10,late", "2,10,2024-03-01 09:00:00"]
    lines += ["2,11,2024-03-01", "3,11,2024-03-01", "1,10,2024-03-02T00:00:00Z"]
    (tmp_path / "log.csv").write_text("\n".join(["who,what,at", *lines]) + "\n")
    built = build(spark, tmp_path, interactions={**LOG, "time": "at"}, accept_rejected=True)
    assert rows(built, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID, c.TIMESTAMP) == [
        (1, 10, datetime(2024, 3, 1, 8)),
        (1, 10, datetime(2024, 3, 2)),
        (2, 10, datetime(2024, 3, 1, 9)),
        (2, 11, datetime(2024, 3, 1)),
        (3, 11, datetime(2024, 3, 1)),
    ]
    assert built.manifest["interactions"]["rejected"] == {"null_timestamp": 2}


def test_of_two_events_in_parquet_whose_users_are_fractions_none_becomes_a_user(
    spark: SparkSession, tmp_path: Path
) -> None:
    log = {"who": [12.3, 12.7, 13.0, 14.0, 15.0], "what": [1.0, 1.0, 1.0, 2.0, 2.0]}
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    built = build(spark, tmp_path, interactions={**LOG, "file": "log.parquet"}, text_ids=[], accept_rejected=True)
    assert rows(built, INTERACTIONS_FOLDER, c.USER_ID) == [(13,), (14,), (15,)]
    assert built.manifest["interactions"]["rejected"] == {"null_id": 2}
    built = build(spark, tmp_path, interactions={**LOG, "file": "log.parquet"}, text_ids=["user"])
    words = spark.read.parquet(str(built.path / "user_ids")).select(c.ORIGINAL_ID).collect()
    assert sorted(word[0] for word in words) == ["12.3", "12.7", "13.0", "14.0", "15.0"]


def test_a_century_of_events_is_read(spark: SparkSession, tmp_path: Path) -> None:
    seconds = [-3_155_673_600, -86_400, 86_400, 1_709_287_200]
    lines = [f"{user},10,{second}" for user, second in enumerate(seconds)]
    (tmp_path / "log.csv").write_text("\n".join(["who,what,at", *lines, "4,10,0"]) + "\n")
    built = build(spark, tmp_path, interactions={**LOG, "time": "at", "time_format": "seconds"}, accept_rejected=True)
    assert rows(built, INTERACTIONS_FOLDER, c.TIMESTAMP) == [
        (datetime(1870, 1, 1),),
        (datetime(1969, 12, 31),),
        (datetime(1970, 1, 2),),
        (datetime(2024, 3, 1, 10),),
    ]
    assert built.manifest["interactions"]["rejected"] == {"unknown_timestamp": 1}


@pytest.mark.parametrize(
    ("time_format", "cell"),
    [
        ("seconds", "1709287200"),
        ("milliseconds", "1709287200000"),
        ("microseconds", "1709287200000000"),
        ("nanoseconds", "1709287200000000000"),
        ("iso", "2024-03-01T10:00:00Z"),
        ("iso", "2024-03-01 10:00:00"),
        ("MM/dd/yyyy h:mm a", "03/01/2024 10:00 AM"),
    ],
)
def test_times_of_any_format_are_read(spark: SparkSession, tmp_path: Path, time_format: str, cell: str) -> None:
    (tmp_path / "log.csv").write_text(f"who,what,at\n1,10,{cell}\n")
    (tmp_path / "mapping.toml").write_text(toml(interactions={**LOG, "time": "at", "time_format": time_format}))
    (row,) = CSVFiles().read_interactions(spark, tmp_path).collect()
    assert row[c.TIMESTAMP] == datetime(2024, 3, 1, 10)


def test_files_without_a_header_in_another_encoding_with_long_separators_are_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The layout of MovieLens-1M."""
    (tmp_path / "ratings.dat").write_text("1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n")
    (tmp_path / "movies.dat").write_bytes("661::Été, L' (1996)::Drama|Children's\n1193::Up::\n".encode("latin-1"))
    log = {"file": "ratings.dat", "separator": "::", "columns": ["u", "i", "r", "t"], "user": "u", "item": "i"}
    items = {"file": "movies.dat", "separator": "::", "columns": ["i", "title", "genres"], "encoding": "iso-8859-1"}
    built = build(
        spark,
        tmp_path,
        interactions={**log, "rating": "r", "time": "t", "time_format": "seconds"},
        rating=SCALE,
        items={**items, "item": "i", "title": "title", "genres": "genres"},
    )
    assert rows(built, INTERACTIONS_FOLDER, c.USER_ID, c.ITEM_ID, c.RATING) == [
        (1, 661, 3.0),
        (1, 1193, 5.0),
        (2, 1193, 4.0),
    ]
    assert rows(built, ITEMS_FOLDER, c.ITEM_ID, c.TITLE, c.GENRES) == [
        (661, "Été, L' (1996)", ["children's", "drama"]),
        (1193, "Up", []),
    ]


def test_parquet_with_dates_numbers_and_lists_of_genres_is_read(spark: SparkSession, tmp_path: Path) -> None:
    log = {"who": [1, 2], "what": [7.0, 8.0], "stars": [4.5, 1.0], "at": pa.array([19000, 19001], pa.date32())}
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    items = {"id": [7, 8], "tags": [["War", "war "], None], "when": [1999, None], "score": [7.5, None]}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    built = build(
        spark,
        tmp_path,
        interactions={**LOG, "file": "log.parquet", "rating": "stars", "time": "at"},
        rating=SCALE,
        items={"file": "items.parquet", "item": "id", "genres": "tags", "year": "when", "mean_score": "score"},
    )
    assert rows(built, INTERACTIONS_FOLDER, c.ITEM_ID, c.RATING, c.TIMESTAMP) == [
        (7, 4.5, datetime(2022, 1, 8)),
        (8, 1.0, datetime(2022, 1, 9)),
    ]
    assert rows(built, ITEMS_FOLDER, c.TITLE, c.GENRES, c.YEAR, c.MEAN_SCORE) == [
        ("item 7", ["war"], 1999, 7.5),
        ("item 8", [], None, None),
    ]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "interactions is missing"),
        ({"interactions": {**LOG, "usr": "who"}}, r"no key interactions.usr \(there are file, .*user, item, rating"),
        ({"interactions": {**LOG, "item": "who"}}, "user and item can't both be the column 'who'"),
        ({"interactions": {**LOG, "file": ["a.csv", "b.csv"]}}, "put several parts into a folder"),
        (
            {"interactions": LOG, "text_id": ["user"]},
            r"no key text_id \(there are interactions, items, users, rating, kinds, text_ids",
        ),
        ({"interactions": LOG, "text_ids": ["users"]}, "text_ids.*'user' or 'item'"),
        ({"interactions": {"file": "log.csv", "item": "what"}}, "interactions.user is missing"),
        ({"interactions": {**LOG, "user": 3}}, "interactions.user: input should be a valid string"),
        ({"interactions": {**LOG, "file": "in/log.csv"}}, "interactions.file must be a name without a path"),
        ({"interactions": {**LOG, "rating": "stars"}}, r"needs the table \[rating\] with min, max and positive_from"),
        ({"interactions": LOG, "rating": SCALE}, r"interactions.rating \(the column\)"),
        ({"interactions": {**LOG, "kind": "stars"}}, r"interactions.kind \(the column\) and the table \[kinds\]"),
        ({"interactions": {**LOG, "kind": "stars"}, "kinds": {"5": 0}}, "has the weight 0"),
        ({"interactions": {**LOG, "kind": "name", "rating": "stars"}, "rating": SCALE}, "rating or kind, not both"),
        ({"interactions": {**LOG, "item_pattern": "(.*)"}}, "must have a group item"),
        ({"interactions": {**LOG, "rating": "stars"}, "rating": {**SCALE, "max": 3}}, "rating: must be min < positive"),
        ({"interactions": {**LOG, "file": "log.parquet", "separator": ";"}}, "a Parquet file needs no separator"),
        ({"interactions": {**LOG, "file": "other.csv"}}, "other.csv does not exist"),
        ({"interactions": {**LOG, "user": "buyer"}}, "log.csv has no column buyer; it has who, what, stars, at, name"),
        (
            {"interactions": {**LOG, "separator": ";"}},
            'log.csv has no column who, what; it has who,what,stars,at,name. .*Write separator = ","',
        ),
        (
            {"interactions": {**LOG, "user": "name"}, "text_ids": []},
            "'name' holds 'Ann', which is no whole number; .*text_ids = ..user",
        ),
        ({"interactions": {**LOG, "rating": "name"}, "rating": SCALE}, "'name' holds 'Ann', which is no number"),
        ({"interactions": {**LOG, "time": "stars"}}, "'stars' holds '5', which is no time of the format 'iso'"),
        (
            {"interactions": {**LOG, "time": "at", "time_format": "seconds"}},
            "'2024-03-01', which is no number of seconds",
        ),
        (
            {"interactions": {**LOG, "time": "at", "time_format": "yyyy-QQQQQQ"}},
            'time_format = "yyyy-QQQQQQ": QQQQQQ is in no pattern of Spark',
        ),
        (
            {"interactions": LOG, "items": {"file": "log.csv", "item": "name"}, "text_ids": []},
            "'name' holds 'Ann'.*text_ids = ..item",
        ),
        (
            {"interactions": {**LOG, "encoding": "utf-99"}},
            "interactions.encoding: Python knows no encoding of text 'utf-99'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_mapping_is_answered_with_one_line(
    spark: SparkSession, tmp_path: Path, tables: dict[str, object], message: str
) -> None:
    (tmp_path / "log.csv").write_text("who,what,stars,at,name\n1,10,5,2024-03-01,Ann\n2,11,4,2024-03-02,Ben\n")
    with pytest.raises(DataError, match=message) as error:
        build(spark, tmp_path, **tables)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "lake").glob("*"))


def test_a_parquet_column_of_numbers_is_no_time_without_a_unit(spark: SparkSession, tmp_path: Path) -> None:
    numbers = pa.array([1709287200 * 10**9], pa.int64())
    pq.write_table(pa.table({"who": [1], "what": [2], "at": numbers}), tmp_path / "log.parquet")
    log = {**LOG, "file": "log.parquet", "time": "at"}
    with pytest.raises(DataError, match="column 'at' holds numbers: set interactions.time_format to \"seconds\""):
        build(spark, tmp_path, interactions=log)
    built = build(spark, tmp_path, interactions={**log, "time_format": "nanoseconds"})
    assert rows(built, INTERACTIONS_FOLDER, c.TIMESTAMP) == [(datetime(2024, 3, 1, 10),)]


def test_a_mapping_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mapping.toml can't be read.*docs/adding-a-dataset.md"):
        read_mapping(tmp_path)
    (tmp_path / "mapping.toml").write_text("user: who\n")
    with pytest.raises(DataError, match="mapping.toml is no TOML: .*line 1"):
        read_mapping(tmp_path)
