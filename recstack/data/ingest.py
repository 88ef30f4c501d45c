"""From source files to checked interactions and items in the lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recstack.data import numbering
from recstack.data.adapters.base import Dataset
from recstack.data.contract import check_interactions, check_items, check_pairs, summary
from recstack.errors import DataError
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, file_digest

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
) -> Build:
    """Publish `interactions/` and `items/` (Parquet, see `contract`) as a new version in `root`, once for each input.

    Beside them stand `user_ids/` and `item_ids/` where ids are words (`numbering`), and `held_out/` and `negatives/`
    where the data bring a split of their own along.

    Args:
        spark: the session.
        dataset: the adapter with its options.
        source: folder of the dataset's files; None for a dataset that needs none.
        root: folder of all versions in the lake.
        remote: second home of these versions.
        keep_numbers: whether words keep the numbers that the current version of `root` gave them.

    Returns:
        The version. Its manifest has the traits of the data and, for each of the two tables, rows, rejected rows by
        reason, and schema.

    Raises:
        DataError: the source can't be used; nothing was written.
    """
    files = dataset.require_files(source)
    place = source or Path()
    traits = dataset.traits(place)
    inputs: dict[str, Any] = {
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json"),
        "files": {path.name: file_digest(path) for path in files},
    }
    made_by = (__name__, type(dataset).__module__)
    previous: Path | None = None
    if traits.text_ids:
        remote.fetch_current(root)
        before = numbering.predecessor(root, inputs, made_by) if keep_numbers else None
        inputs[numbering.AFTER] = before
        previous = root / before if before is not None else None

    def build(folder: Path) -> dict[str, Any]:
        with _damage_named(files):
            ratings, catalogue = dataset.read_interactions(spark, place), dataset.read_items(spark, place)
            if traits.text_ids:
                ratings, catalogue = numbering.numbered(ratings, catalogue, folder, previous)
            items = check_items(catalogue)
            items.rows.write.parquet(str(folder / ITEMS_FOLDER))
            facts = {"items": summary(items)}
            interactions = check_interactions(
                ratings,
                spark.read.parquet(str(folder / ITEMS_FOLDER)),
                rating_min=traits.rating_min,
                rating_max=traits.rating_max,
                has_timestamps=traits.has_timestamps,
            )
            interactions.rows.write.parquet(str(folder / INTERACTIONS_FOLDER))
            given = {
                HELD_OUT_FOLDER: dataset.read_held_out(spark, place),
                NEGATIVES_FOLDER: dataset.read_negatives(spark, place),
            }
            for name, pairs in given.items():
                if pairs is not None:
                    check_pairs(pairs, name).write.parquet(str(folder / name))
            return {"traits": traits.model_dump(), **facts, "interactions": summary(interactions)}

    return build_once(root, inputs, build, made_by=made_by, remote=remote)


@contextmanager
def _damage_named(files: list[Path]) -> Iterator[None]:
    """Turn Spark's pages of stack trace about a file that it can't read into one sentence."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        named = [path for path in files if path.name in str(error)]
        if "FAILED_READ_FILE" not in str(error) or not named:
            raise
        raise DataError(f"{named[0]} can't be read to its end: it is damaged or cut short, get it again") from error
