"""From source files to checked interactions and items in the lake."""

from collections import Counter
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recstack.data import numbering
from recstack.data.adapters.base import Dataset
from recstack.data.folders import HELD_OUT_FOLDER, INTERACTIONS_FOLDER, ITEMS_FOLDER, NEGATIVES_FOLDER
from recstack.data.forgotten import NOBODY, Forgotten
from recstack.data.reading.streams import explained
from recstack.data.tables import write_tables
from recstack.progress import track
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, file_digest, opened

__all__ = ["HELD_OUT_FOLDER", "INTERACTIONS_FOLDER", "ITEMS_FOLDER", "NEGATIVES_FOLDER", "ingest", "rejected"]


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

    The version also holds `user_ids/` and `item_ids/` where ids are words (`numbering`), `users/` where the source has
    attributes of users, and `held_out/` and `negatives/` where a split is supplied with the dataset.

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
        reason with an example of each, rows that were there before, and schema; see `summary` for the rest.

    Raises:
        DataError: the source can't be used, or too many of its rows were rejected; nothing was written.
    """
    files = dataset.require_files(source)
    folder = source or Path()
    inputs: dict[str, Any] = {
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json"),
        "files": {path.name: _digest(path) for path in track(files, "ingest: checksums of the source", unit="file")},
    }
    if forgotten:
        inputs["forgotten"] = forgotten.version
    made_by = (__name__, type(dataset).__module__)
    previous: Build | None = None
    if dataset.may_have_words(folder) and keep_numbers:
        remote.fetch_current(root)
        before = numbering.predecessor(root, inputs, made_by)
        inputs[numbering.AFTER] = before
        previous = opened(root / before) if (root / before).exists() else None

    def build(draft: Path) -> dict[str, Any]:
        facts = write_tables(spark, dataset, folder, draft, previous.path if previous else None, forgotten)
        if facts["traits"]["text_ids"] and keep_numbers:
            name = inputs[numbering.AFTER]
            facts[numbering.NUMBERING] = previous.manifest.get(numbering.NUMBERING, name) if previous else name
        return facts

    return build_once(root, inputs, build, made_by=made_by, remote=remote)


def rejected(ingested: Build) -> Counter[str]:
    """How many rows of both tables were rejected, by reason."""
    total: Counter[str] = Counter()
    for table in (INTERACTIONS_FOLDER, ITEMS_FOLDER):
        total.update(ingested.manifest[table]["rejected"])
    return total


def _digest(path: Path) -> str:
    with explained(path):
        return file_digest(path)
