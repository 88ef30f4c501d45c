"""From source files to checked interactions and items in the lake."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recstack.data import numbering
from recstack.data.adapters.base import Dataset
from recstack.data.check import check_interactions, check_items, check_pairs
from recstack.data.forgotten import NOBODY, REASON, Forgotten
from recstack.errors import DataError
from recstack.progress import track, working
from recstack.spark import running_tasks
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, file_digest, opened

INTERACTIONS_FOLDER = "interactions"
ITEMS_FOLDER = "items"
HELD_OUT_FOLDER = "held_out"
NEGATIVES_FOLDER = "negatives"


def ingest(
    spark: SparkSession,
    dataset: Dataset,
    source: Path | None,
    root: Path,
    remote: Remote = NO_REMOTE,
    *,
    keep_numbers: bool = True,
    forgotten: Forgotten = NOBODY,
) -> Build:
    """Publish `interactions/` and `items/` (Parquet, see `contract`) as a new version in `root`, once for each input.

    The version also holds `user_ids/` and `item_ids/` where ids are words (`numbering`), and `held_out/` and
    `negatives/` where a split is supplied with the dataset.

    Args:
        spark: the session.
        dataset: the adapter with its options.
        source: folder of the dataset's files; None for a dataset that needs none.
        root: folder of all versions in the lake.
        remote: copy of these versions in the object store.
        keep_numbers: whether words keep the numbers that the current version of `root` gave them.
        forgotten: users who are left out; the manifest counts their rows as rejected for the reason "forgotten".

    Returns:
        The version. Its manifest has the traits of the data and, for each of the two tables, rows, rejected rows by
        reason, and schema.

    Raises:
        DataError: the source can't be used; nothing was written.
    """
    files = dataset.require_files(source)
    folder = source or Path()
    traits = dataset.traits(folder)
    inputs: dict[str, Any] = {
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json"),
        "files": {
            path.name: file_digest(path) for path in track(files, "ingest: checksums of the source", unit="file")
        },
    }
    if forgotten:
        inputs["forgotten"] = forgotten.version
    made_by = (__name__, type(dataset).__module__)
    previous: Build | None = None
    if traits.text_ids and keep_numbers:
        remote.fetch_current(root)
        before = numbering.predecessor(root, inputs, made_by)
        inputs[numbering.AFTER] = before
        previous = opened(root / before) if (root / before).exists() else None

    def build(draft: Path) -> dict[str, Any]:
        facts = {"traits": traits.model_dump()}
        if traits.text_ids and keep_numbers:
            name = inputs[numbering.AFTER]
            facts[numbering.NUMBERING] = previous.manifest.get(numbering.NUMBERING, name) if previous else name
        with _explain_unreadable_files(files):
            before = previous.path if previous else None
            return {**facts, **_write_tables(spark, dataset, folder, draft, before, forgotten)}

    return build_once(root, inputs, build, made_by=made_by, remote=remote)


def rejected(ingested: Build) -> Counter[str]:
    """How many rows of both tables the contract rejected, by reason."""
    total: Counter[str] = Counter()
    for table in (INTERACTIONS_FOLDER, ITEMS_FOLDER):
        total.update(ingested.manifest[table]["rejected"])
    return total


def _write_tables(
    spark: SparkSession, dataset: Dataset, source: Path, draft: Path, previous: Path | None, forgotten: Forgotten
) -> dict[str, Any]:
    """Write all tables of a version and return the summaries of interactions and items."""
    traits, measure = dataset.traits(source), running_tasks(spark)
    with working("ingest: reading the items", unit="task", measure=measure):
        ratings, catalogue = dataset.read_interactions(spark, source), dataset.read_items(spark, source)
        left_out, ratings = forgotten.count(ratings), forgotten.leave_out(ratings)
        if traits.text_ids:
            ratings, catalogue = numbering.numbered(ratings, catalogue, draft, previous, forgotten)
        items = check_items(catalogue)
        items.rows.write.parquet(str(draft / ITEMS_FOLDER))
        facts = {"items": items.summary()}
    with working("ingest: reading the interactions", unit="task", measure=measure):
        interactions = check_interactions(
            ratings,
            spark.read.parquet(str(draft / ITEMS_FOLDER)),
            rating_min=traits.rating_min,
            rating_max=traits.rating_max,
            has_timestamps=traits.has_timestamps,
        )
        interactions.rows.write.parquet(str(draft / INTERACTIONS_FOLDER))
    supplied = {
        HELD_OUT_FOLDER: dataset.read_held_out(spark, source),
        NEGATIVES_FOLDER: dataset.read_negatives(spark, source),
    }
    for name, pairs in supplied.items():
        if pairs is not None:
            with working(f"ingest: reading the table {name}", unit="task", measure=measure):
                check_pairs(forgotten.leave_out(pairs), name).write.parquet(str(draft / name))
    summary = interactions.summary()
    if forgotten:
        summary["rejected"][REASON] = left_out
    return {**facts, "interactions": summary}


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
