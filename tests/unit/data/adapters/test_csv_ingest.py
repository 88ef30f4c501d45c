"""What a team's own files become in the lake: attributes of users, weights of events, and what was left out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from people_tables import HEADER, write
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.csv_files import CSVFiles
from recstack.data.folders import USERS_FOLDER
from recstack.data.ingest import ingest
from recstack.data.summary import counted, facts_of
from recstack.data.traits import Traits
from recstack.errors import DataError
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.storage.lake import Build

MAPPING = """[interactions]
file = "log.csv"
user = "who"
item = "what"
"""
TIMED = MAPPING + 'rating = "stars"\ntime = "at"\n[rating]\nmin = 1\nmax = 5\npositive_from = 4\n'


def build(spark: SparkSession, folder: Path, mapping: str, *, accept_rejected: bool = False) -> Build:
    (folder / "mapping.toml").write_text(mapping)
    return ingest(spark, CSVFiles(accept_rejected=accept_rejected), folder, folder / "lake")


def test_rejected_rows_are_told_by_reason_with_the_first_of_each_and_are_refused_above_one_percent(
    spark: SparkSession, tmp_path: Path
) -> None:
    good = [f"{user},{item},3,2024-03-01" for user in range(10) for item in range(10)]
    bad = ["1,1,9,2024-03-02", "1,99,3,2024-03-02", "2,1,3,2099-01-01", "3,1,3,1970-01-01", "4,1,great,2024-03-02"]
    bad += ["5,1,3,1700-01-01", "1,99,3,2024-03-03", *good[:2]]
    write(tmp_path, {"log.csv": HEADER + "\n".join([*good, *bad]) + "\n"})
    write(tmp_path, {"items.csv": "id,name\n" + "".join(f"{item},Item {item}\n" for item in range(10))})
    mapping = TIMED + '[items]\nfile = "items.csv"\nitem = "id"\ntitle = "name"\n'
    with pytest.raises(
        DataError, match=r"loses 7 of its 109 rows \(orphan_item: 2, such as log.csv, line 103: item '99'"
    ):
        build(spark, tmp_path, mapping)
    assert not list((tmp_path / "lake").glob("*"))

    built = build(spark, tmp_path, mapping, accept_rejected=True)
    interactions = built.manifest["interactions"]
    assert (interactions["rows"], interactions["repeated"]) == (100, 2)
    examples = {reason: example.split("; ")[0] for reason, example in interactions["examples"].items()}
    assert examples == {
        "rating_out_of_range": "log.csv, line 102: rating 9 is outside 1 to 5",
        "orphan_item": "log.csv, line 103: item '99' is not in the catalogue",
        "future_timestamp": "log.csv, line 104: 2099-01-01 00:00:00 has not come yet",
        "unknown_timestamp": 'log.csv, line 105: 1970-01-01 00:00:00 stands for "unknown"',
        "null_rating": "log.csv, line 106: stars 'great' is no number",
        "timestamp_out_of_range": "log.csv, line 107: 1700-01-01 00:00:00 is before 1840",
    }
    assert "the ratings of the log are from 3 to 9" in interactions["examples"]["rating_out_of_range"]
    assert counted(built).startswith("100 interactions, 10 items, 7 rejected (")
    lines = facts_of(built)
    assert lines[0] == "  10 users, ratings 3 to 3, from 2024-03-01 to 2024-03-01"
    assert "  2 rows of the interactions repeat another one, and count once" in lines
    assert any(line.startswith("  interactions, orphan_item: 2, such as log.csv, line 103") for line in lines)


def test_an_item_that_differs_by_zeros_only_is_named(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": HEADER + "1,0007,3,2024-03-01\n", "items.csv": "id,name\n7,Seven\n"})
    with pytest.raises(DataError, match="item '0007' is not in the catalogue, which has '7'; write text_ids = "):
        build(spark, tmp_path, TIMED + '[items]\nfile = "items.csv"\nitem = "id"\ntitle = "name"\n')


@pytest.mark.parametrize("words", [True, False])
def test_attributes_of_users_are_kept_beside_their_interactions(
    spark: SparkSession, tmp_path: Path, words: bool
) -> None:
    name = (lambda user: f"u{user}") if words else str
    write(tmp_path, {"log.csv": HEADER + "".join(f"{name(user)},1,3,2024-03-01\n" for user in (7, 8, 9))})
    write(tmp_path, {"users.csv": f'id;age;city\n{name(7)};30,5;Bern\n{name(8)};;"New\nYork"\n{name(99)};1;Rome\n'})
    users = '[users]\nfile = "users.csv"\nseparator = ";"\ndecimal = ","\nuser = "id"\nattributes = ["age", "city"]\n'
    built = build(spark, tmp_path, TIMED + users)
    table = spark.read.parquet(str(built.path / USERS_FOLDER)).orderBy("city")
    found = [tuple(row) for row in table.select(c.USER_ID, "age", "city").collect()]
    assert found == (
        [(0, 30.5, "Bern"), (1, None, "New\nYork")] if words else [(7, 30.5, "Bern"), (8, None, "New\nYork")]
    )
    assert built.manifest["users"]["rows"] == 2


def test_weights_of_events_and_logarithms_of_plays_are_ratings(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": HEADER + "1,1,view,2024-03-01\n1,2,buy,2024-03-01\n2,1,hover,2024-03-01\n"})
    built = build(spark, tmp_path, MAPPING + 'kind = "stars"\ntime = "at"\n[kinds]\nview = 1\nbuy = 4\nhover = 0\n')
    assert built.manifest["interactions"]["ratings"] == [1.0, 4.0]
    assert (Traits.of(built).rating_max, Traits.of(built).positive_from) == (4.0, 1.0)
    assert "look at this: 1 events are of kinds with the weight 0, and were left out" in facts_of(built)[-1]

    write(tmp_path, {"log.csv": HEADER + "1,1,1023,2024-03-01\n1,2,3,2024-03-01\n"})
    plays = MAPPING + 'rating = "stars"\ntime = "at"\n[rating]\npositive_from = 3\ntransform = "log"\n'
    built = build(spark, tmp_path, plays)
    assert built.manifest["interactions"]["ratings"] == [2.0, 10.0]
    assert (Traits.of(built).rating_max, Traits.of(built).positive_from) == (10.0, 2.0)


def test_ids_that_were_words_stay_words_when_numbers_come_in(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": HEADER + "a,1,3,2024-03-01\n1,1,3,2024-03-01\n"})
    first = build(spark, tmp_path, TIMED)
    write(
        tmp_path,
        {"log.csv": HEADER + "".join(f"{user},1,3,2024-03-01\n" for user in range(1, 300)) + "a,1,3,2024-03-01\n"},
    )
    second = build(spark, tmp_path, TIMED)
    numbers = [
        {row[c.ORIGINAL_ID]: row[c.USER_ID] for row in spark.read.parquet(str(each.path / "user_ids")).collect()}
        for each in (first, second)
    ]
    assert numbers[0].items() <= numbers[1].items()


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_folders_that_spark_writes_are_read(spark: SparkSession, tmp_path: Path, form: str) -> None:
    rows = [
        (f"00{user}", f'ü{item}\n"x", y', user / 2, "2024-03-01 10:00:00") for user in range(5) for item in range(20)
    ]
    frame = spark.createDataFrame(rows, "who string, what string, stars double, at string")
    writer = frame.repartition(3).write.partitionBy("who").option("compression", "gzip")
    if form == "csv":
        writer.csv(str(tmp_path / "log"), header=True, escape='"')
    else:
        writer.format(form).save(str(tmp_path / "log"))
    built = build(spark, tmp_path, TIMED.replace("log.csv", "log").replace("min = 1", "min = 0"))
    words = {row[c.ORIGINAL_ID] for row in spark.read.parquet(str(built.path / "item_ids")).collect()}
    assert words == {row[1] for row in rows}
    assert built.manifest["interactions"]["rows"] == 100
    assert {row[c.ORIGINAL_ID] for row in spark.read.parquet(str(built.path / "user_ids")).collect()} == {
        f"00{user}" for user in range(5)
    }


@pytest.mark.parametrize("every", ["interaction", "day"])
def test_a_log_of_two_centuries_has_features(spark: SparkSession, tmp_path: Path, every: str) -> None:
    start = datetime(1841, 1, 1, tzinfo=UTC)
    lines = [f"{n % 7},{n % 5},{n % 5 + 1},{start + timedelta(days=500 * n):%Y-%m-%d}" for n in range(134)]
    write(tmp_path, {"log.csv": HEADER + "\n".join(lines) + "\n"})
    built = build(spark, tmp_path, TIMED)
    options = FeatureOptions.of(Traits.of(built), 134).model_copy(update={"snapshot_every": every})
    features = build_features(spark, built, tmp_path / "features", options)
    assert features.manifest["rows"]["user"] == 134
