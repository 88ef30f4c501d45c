"""Interactions without the users who were forgotten, made from the version that is there: needs no source files."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.folders import HELD_OUT_FOLDER, INTERACTIONS_FOLDER, NEGATIVES_FOLDER, USERS_FOLDER
from recstack.data.forgotten import REASON, Forgotten
from recstack.data.numbering import FOLDERS, without_words
from recstack.progress import working
from recstack.spark import read_table, running_tasks
from recstack.storage.lake import Build, Remote, build_once

USER_IDS = FOLDERS[c.USER_ID]
TABLES = (INTERACTIONS_FOLDER, HELD_OUT_FOLDER, NEGATIVES_FOLDER, USERS_FOLDER)
"""Tables of an ingested version with rows of users, beside `user_ids`."""


def numbers_of(spark: SparkSession, ingested: Build, forgotten: Forgotten) -> set[int]:
    """The numbers by which a version of the interactions knows users of the list; empty if it knows none of them.

    Args:
        spark: the session.
        ingested: what `data.ingest` or `without` published.
        forgotten: the list.
    """
    if has_words(ingested):
        found = read_table(spark, ingested.path / USER_IDS).where(forgotten.named(F.col(c.ORIGINAL_ID)))
        return _numbers(found)
    tables = [read_table(spark, ingested.path / name) for name in TABLES if (ingested.path / name).exists()]
    return set().union(*(_numbers(table.where(forgotten.named(F.col(c.USER_ID)))) for table in tables))


def has_words(ingested: Build) -> bool:
    """Whether the users of an ingested version have words for ids."""
    return (ingested.path / USER_IDS).exists()


def without(spark: SparkSession, ingested: Build, forgotten: Forgotten, remote: Remote) -> Build:
    """Publish the interactions without the users of the list as the current version.

    Args:
        spark: the session.
        ingested: the current version.
        forgotten: the list.
        remote: copy of these versions in the object store.
    """
    old = ingested.manifest
    inputs = {name: old["inputs"][name] for name in ("dataset", "options", "files")}
    inputs |= {"derived_from": ingested.path.name, "forgotten": forgotten.version}
    numbers = sorted(numbers_of(spark, ingested, forgotten))

    def build(draft: Path) -> dict[str, Any]:
        with working("forget: interactions of the other users", unit="task", measure=running_tasks(spark)):
            for folder in sorted(path for path in ingested.path.iterdir() if path.is_dir()):
                if folder.name in (*TABLES, USER_IDS):
                    table = read_table(spark, folder)
                    _rest(table, folder.name, numbers, forgotten).write.parquet(str(draft / folder.name))
                else:
                    shutil.copytree(folder, draft / folder.name)
        facts = {name: value for name, value in old.items() if name not in ("version", "inputs", "seconds")}
        rows = sum(file.num_rows for file in map(pq.read_metadata, (draft / INTERACTIONS_FOLDER).glob("*.parquet")))
        counts, lost = old["interactions"], old["interactions"]["rows"] - rows
        rejected = {**counts["rejected"], REASON: counts["rejected"].get(REASON, 0) + lost}
        examples: dict[str, str] = {}  # a cell of theirs may be one of them
        return {**facts, "interactions": {**counts, "rows": rows, "rejected": rejected, "examples": examples}}

    return build_once(ingested.path.parent, inputs, build, made_by=[__name__], remote=remote)


def _numbers(rows: DataFrame) -> set[int]:
    return {row[c.USER_ID] for row in rows.select(c.USER_ID).distinct().collect()}


def _rest(table: DataFrame, name: str, numbers: list[int], forgotten: Forgotten) -> DataFrame:
    if name == USER_IDS:
        return without_words(table, forgotten)
    others = table.where(~F.col(c.USER_ID).isin(numbers))
    if name != INTERACTIONS_FOLDER:
        return others
    return others.repartition(c.USER_ID).sortWithinPartitions(c.USER_ID, c.ITEM_ID)  # as `data.check` leaves them
