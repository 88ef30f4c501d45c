"""Writes the tables of an ingested version: read, numbered, checked."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data import numbering
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.staged import KINDS
from recstack.data.check import check_interactions, check_items, check_pairs
from recstack.data.checked import Checked, Counts
from recstack.data.folders import HELD_OUT_FOLDER, INTERACTIONS_FOLDER, ITEMS_FOLDER, NEGATIVES_FOLDER, USERS_FOLDER
from recstack.data.forgotten import REASON, Forgotten
from recstack.data.losses import examples, refuse_losses, totals
from recstack.data.reading.ids import chosen
from recstack.data.reading.staging import Staging, staging_in
from recstack.data.suspicions import alike_words, suspicious_files
from recstack.data.traits import Traits
from recstack.errors import DataError
from recstack.progress import working
from recstack.spark import read_table, running_tasks

_STAGED: Final = "_staged"


def write_tables(
    spark: SparkSession, dataset: Dataset, source: Path, draft: Path, previous: Path | None, forgotten: Forgotten
) -> dict[str, Any]:
    """Write all tables of a version, and return what its manifest says of them.

    Args:
        spark: the session.
        dataset: the adapter with its options.
        source: folder of its files.
        draft: folder of the version.
        previous: folder of the version whose numbers of words this one continues; None for the first one.
        forgotten: users who are left out.

    Raises:
        DataError: the source can't be used, or too many of its rows were rejected.
    """
    try:
        known = (
            []
            if previous is None
            else [name for name, folder in numbering.FOLDERS.items() if (previous / folder).exists()]
        )
        words_before = frozenset(KINDS[name] for name in known)
        with (
            staging_in(draft / _STAGED, words_before) as staging,
            _explain_unreadable_files(dataset.require_files(source)),
        ):
            return _Tables(spark, dataset, source, draft, previous, forgotten, staging).write()
    finally:
        shutil.rmtree(draft / _STAGED, ignore_errors=True)


@dataclass
class _Tables:
    spark: SparkSession
    dataset: Dataset
    source: Path
    draft: Path
    previous: Path | None
    forgotten: Forgotten
    staging: Staging

    def write(self) -> dict[str, Any]:
        dataset, spark, source = self.dataset, self.spark, self.source
        ratings, catalogue = dataset.read_interactions(spark, source), dataset.read_items(spark, source)
        users = dataset.read_users(spark, source)
        words = numbering.is_text(ratings, c.USER_ID), numbering.is_text(ratings, c.ITEM_ID)
        traits = self._traits(any(words))
        left_out, ratings = self.forgotten.count(ratings), self.forgotten.leave_out(ratings)
        if any(words):
            with self._working("numbering the ids"):
                ratings, catalogue = numbering.numbered(ratings, catalogue, self.draft, self.previous, self.forgotten)
        items = check_items(catalogue)
        facts: dict[str, Any] = {ITEMS_FOLDER: self._write(items, ITEMS_FOLDER, traits)}
        interactions = check_interactions(
            ratings,
            read_table(spark, self.draft / ITEMS_FOLDER),
            rating_min=traits.rating_min,
            rating_max=traits.rating_max,
            has_timestamps=traits.has_timestamps,
        )
        summary = self._write(interactions, INTERACTIONS_FOLDER, traits)
        if self.forgotten:
            summary["rejected"][REASON] = left_out
        facts[INTERACTIONS_FOLDER] = summary
        if math.isinf(traits.rating_max):
            traits = traits.model_copy(update={"rating_max": max(summary["ratings"][1], traits.positive_from)})
        self._write_pairs()
        if users is not None:
            facts[USERS_FOLDER] = self._write_users(users, words[0])
        warnings = [*self.staging.warnings, *suspicious_files(self.staging), *self._id_warnings(words)]
        return {"traits": traits.model_dump(), **facts, "warnings": warnings}

    def _traits(self, has_words: bool) -> Traits:
        return self.dataset.traits(self.source).model_copy(update={"text_ids": has_words})

    def _write(self, checked: Checked, folder: str, traits: Traits) -> dict[str, Any]:
        """Write a table, and return its part of the manifest."""
        path = self.draft / folder
        with self._working(f"checking the {folder}"):
            checked.rows.write.parquet(str(path))
            counts = checked.counts()
        found = self._examples(counts, folder, traits)
        read, rejected = totals(counts, folder, self.staging)
        accept = self.dataset.accepts_rejected(self.source)
        refuse_losses(folder, read, rejected, found, accept=accept)
        summary: dict[str, Any] = {"rows": counts.kept, "rejected": rejected, "schema": checked.schema()}
        summary |= {"examples": found, "repeated": counts.repeated}
        if folder == INTERACTIONS_FOLDER:
            summary["users"] = _users_of(path)
            summary["ratings"] = [counts.facts["lowest_rating"], counts.facts["highest_rating"]]
            summary["seconds"] = [counts.facts["lowest_second"], counts.facts["highest_second"]]
        return summary

    def _examples(self, counts: Counts, folder: str, traits: Traits) -> dict[str, str]:
        lines = self.staging.losses[folder] if folder in self.staging.losses else None
        own = {reason: lines.examples[reason] for reason in lines.lines} if lines is not None else {}
        return {**own, **examples(counts, folder, self.staging, traits)}

    def _write_pairs(self) -> None:
        supplied = {
            HELD_OUT_FOLDER: self.dataset.read_held_out(self.spark, self.source),
            NEGATIVES_FOLDER: self.dataset.read_negatives(self.spark, self.source),
        }
        for name, pairs in supplied.items():
            if pairs is not None:
                with self._working(f"reading the table {name}"):
                    check_pairs(self.forgotten.leave_out(pairs), name).write.parquet(str(self.draft / name))

    def _write_users(self, users: DataFrame, are_words: bool) -> dict[str, Any]:
        """The attributes of users, by their numbers; those of users without interactions are left out."""
        users = self.forgotten.leave_out(users)
        if are_words:
            numbers = read_table(self.spark, self.draft / numbering.FOLDERS[c.USER_ID])
            users = numbering.replaced(users, c.USER_ID, numbers)
        known = read_table(self.spark, self.draft / INTERACTIONS_FOLDER).select(c.USER_ID).distinct()
        users = users.where(F.col(c.USER_ID).isNotNull()).join(known, on=c.USER_ID, how="left_semi")
        with self._working("writing the users"):
            users.write.parquet(str(self.draft / USERS_FOLDER))
        written = ds.dataset(self.draft / USERS_FOLDER)
        return {"rows": written.count_rows(), "schema": {each.name: str(each.type) for each in written.schema}}

    def _id_warnings(self, words: tuple[bool, bool]) -> Iterator[str]:
        declared, forms = self.dataset.declared_text_ids(self.source), self.staging.forms()
        numbers = numbering.words_of(self.draft)
        for (column, kind), is_word in zip(KINDS.items(), words, strict=True):
            if is_word and declared is None and (remark := chosen(declared, forms, kind)[1]):
                yield remark
            if is_word and (alike := alike_words(numbers[column])):
                yield f"ids of {kind}s {alike}"

    @contextmanager
    def _working(self, what: str) -> Iterator[None]:
        with working(f"ingest: {what}", unit="task", measure=running_tasks(self.spark)):
            yield


def _users_of(interactions: Path) -> int:
    """The number of different users; all rows of a user are in one file, see `check_interactions`."""
    files = interactions.glob("*.parquet")
    return sum(pc.count_distinct(pq.read_table(each, columns=[c.USER_ID])[c.USER_ID]).as_py() for each in files)


@contextmanager
def _explain_unreadable_files(files: list[Path]) -> Iterator[None]:
    """Replace Spark's stack trace about a file that it can't read by one sentence."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        named = [path for path in files if path.name in str(error)]
        if "FAILED_READ_FILE" not in str(error) or not named:
            raise
        raise DataError(f"{named[0]} can't be read to its end: it is damaged or cut short, get it again") from error
