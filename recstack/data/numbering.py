"""Numbers for ids that are words. A number keeps its meaning when the log grows: models know items by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from recstack import columns as c
from recstack.data.forgotten import NOBODY, Forgotten
from recstack.spark import read_table
from recstack.storage.lake import current, version_of

AFTER = "numbered_after"
"""Input of `ingest`: the version whose numbers this one continues, or the name of a new numbering."""

NUMBERING = "numbering"
"""Fact of an ingested version: the name of its numbering, which versions that continue it share."""

FOLDERS = {c.USER_ID: "user_ids", c.ITEM_ID: "item_ids"}
"""Tables of an ingested version with the word of each number: (user_id or item_id, original_id)."""


def predecessor(root: Path, inputs: Mapping[str, Any], made_by: Sequence[str]) -> str:
    """The version in `root` whose numbers a version with these inputs continues; for the first one a new name.

    It is the current version. If that has these inputs itself, it is its predecessor: the same log gives the same
    version again. A new name is drawn at random: after a lake was removed, everything that is built from the new one
    has other versions, and no row or model of the old numbering is taken for one of the new.
    """
    try:
        newest = current(root)
    except FileNotFoundError:
        return f"new-{uuid4().hex[:12]}"
    before: str | None = newest.manifest["inputs"].get(AFTER)
    again = before is not None and version_of({**inputs, AFTER: before}, made_by) == newest.path.name
    return before if before is not None and again else newest.path.name


def numbered(
    interactions: DataFrame, items: DataFrame, draft: Path, previous: Path | None, forgotten: Forgotten = NOBODY
) -> tuple[DataFrame, DataFrame]:
    """Replace words by numbers in each id column that is a string, and write `FOLDERS` into `draft`.

    Numbers that `previous` gave stay; new words get the following ones, in alphabetical order. An item without a title
    gets its word as title.

    Args:
        interactions: as an adapter read them; ids are longs or strings, trimmed.
        items: the same.
        draft: folder of the version that is being written.
        previous: folder of the version whose numbers this one continues; None for the first one.
        forgotten: users that `interactions` no longer has. Their numbers stay without a word, so that nobody else
            gets them.

    Returns:
        Interactions and items whose ids are longs.
    """
    if is_text(interactions, c.USER_ID):
        users = _publish(interactions.select(c.USER_ID), c.USER_ID, draft, previous, forgotten)
        interactions = replaced(interactions, c.USER_ID, users)
    if is_text(interactions, c.ITEM_ID):
        words = interactions.select(c.ITEM_ID).unionByName(items.select(c.ITEM_ID))
        numbers = _publish(words, c.ITEM_ID, draft, previous)
        items = items.withColumn(c.TITLE, F.coalesce(F.nullif(F.trim(c.TITLE), F.lit("")), F.col(c.ITEM_ID)))
        interactions, items = (replaced(frame, c.ITEM_ID, numbers) for frame in (interactions, items))
    return interactions, items


def words_of(version: Path) -> dict[str, pa.Table]:
    """By id column, the table `FOLDERS` of an ingested version; nothing for a column whose ids are numbers."""
    folders = {column: version / folder for column, folder in FOLDERS.items()}
    return {column: pq.read_table(folder) for column, folder in folders.items() if folder.exists()}


def is_text(frame: DataFrame, column: str) -> bool:
    """Whether the ids of a frame are words."""
    return isinstance(frame.schema[column].dataType, StringType)


def without_words(numbers: DataFrame, forgotten: Forgotten) -> DataFrame:
    """The table `user_ids` with null instead of the words of forgotten users."""
    if not forgotten:
        return numbers
    return numbers.withColumn(c.ORIGINAL_ID, F.when(~forgotten.named(F.col(c.ORIGINAL_ID)), F.col(c.ORIGINAL_ID)))


def _publish(
    words: DataFrame, column: str, draft: Path, previous: Path | None, forgotten: Forgotten = NOBODY
) -> DataFrame:
    """Write and read back (`column`, original_id) of all words, known and new."""
    spark = words.sparkSession
    new = words.select(F.col(column).alias(c.ORIGINAL_ID)).where(F.col(c.ORIGINAL_ID).isNotNull()).distinct()
    folder, first, known = FOLDERS[column], 0, None
    if previous is not None and (previous / folder).exists():
        known = without_words(read_table(spark, previous / folder), forgotten)
        given = pc.max(words_of(previous)[column][column]).as_py()
        first = 0 if given is None else given + 1
        new = new.join(known, on=c.ORIGINAL_ID, how="left_anti")
    # One partition, which holds one short row for each word.
    number = F.row_number().over(Window.partitionBy(F.lit(0)).orderBy(c.ORIGINAL_ID))
    table = new.select((number + (first - 1)).cast("bigint").alias(column), c.ORIGINAL_ID)
    (table if known is None else known.unionByName(table)).write.parquet(str(draft / folder))
    return read_table(spark, draft / folder)


def replaced(frame: DataFrame, column: str, numbers: DataFrame) -> DataFrame:
    """The frame with the numbers of its words, null for words that have none.

    Args:
        frame: with words in `column`.
        column: user_id or item_id.
        numbers: one of the tables `FOLDERS`.
    """
    others = [name for name in frame.columns if name != column]
    words = frame.select(F.col(column).alias(c.ORIGINAL_ID), *others)
    return words.join(numbers, on=c.ORIGINAL_ID, how="left").select(*frame.columns)
