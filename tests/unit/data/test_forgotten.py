"""A user who asked to be forgotten is not ingested again, and nobody else gets their number."""

from pathlib import Path

import pyarrow.parquet as pq
from changing_log import first_day
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.forgotten import NOBODY, forgotten_users, publish
from recstack.data.ingest import INTERACTIONS_FOLDER, ingest
from recstack.storage.lake import Build

LOG = first_day(timed=True)
WORDS = first_day(timed=True, words=True)


def users(build: Build) -> set[int]:
    return set(pq.read_table(build.path / INTERACTIONS_FOLDER)[c.USER_ID].to_pylist())


def words(build: Build) -> dict[int, str | None]:
    table = pq.read_table(build.path / "user_ids")
    return dict(zip(table[c.USER_ID].to_pylist(), table[c.ORIGINAL_ID].to_pylist(), strict=True))


def test_the_list_does_not_spell_out_its_users_and_is_read_back(tmp_path: Path) -> None:
    assert forgotten_users(tmp_path) == NOBODY
    two = NOBODY.with_user("ann").with_user("bob")
    publish(two, tmp_path)
    found = forgotten_users(tmp_path)
    assert found == two
    assert "ann" in found
    assert "eve" not in found
    assert found.with_user("ann") == found
    assert "ann" not in "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert NOBODY.with_user("ann").users != NOBODY.with_user("ann").users, "each lake has a salt of its own"


def test_numbers_of_users_are_left_out_and_counted(spark: SparkSession, tmp_path: Path) -> None:
    before = ingest(spark, LOG.dataset(), None, tmp_path)
    after = ingest(spark, LOG.dataset(), None, tmp_path, forgotten=NOBODY.with_user("4"))
    lost = sum(user == 4 for user, _ in LOG.ratings)
    assert users(after) == users(before) - {4}
    assert after.manifest["interactions"]["rejected"] == {"forgotten": lost}
    assert after.manifest["interactions"]["rows"] == before.manifest["interactions"]["rows"] - lost


def test_a_forgotten_word_is_gone_and_its_number_stays_reserved(spark: SparkSession, tmp_path: Path) -> None:
    before = ingest(spark, WORDS.dataset(), None, tmp_path)
    number = {word: number for number, word in words(before).items()}["u030"]  # the highest
    forgotten = NOBODY.with_user("u030")
    after = ingest(spark, WORDS.dataset(), None, tmp_path, forgotten=forgotten)
    assert users(after) == users(before) - {number}
    assert words(after) == {**words(before), number: None}
    assert after.manifest["interactions"]["rejected"] == {"forgotten": sum(user == 30 for user, _ in LOG.ratings)}

    grown = first_day(timed=True, words=True)
    grown.ratings[77, 1] = (5.0, 1_704_067_200)
    later = ingest(spark, grown.dataset(), None, tmp_path, forgotten=forgotten)
    assert words(later) == {**words(after), number + 1: "u077"}
