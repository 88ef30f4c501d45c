"""From source files to checked interactions and items in the lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recstack.errors import DataError
from recstack.interactions.base import Dataset
from recstack.interactions.contract import check_interactions, check_items, summary
from recstack.lake import NO_MIRROR, Build, Mirror, build_once, file_digest

INTERACTIONS_FOLDER = "interactions"
ITEMS_FOLDER = "items"


def ingest(spark: SparkSession, dataset: Dataset, source: Path | None, root: Path, mirror: Mirror = NO_MIRROR) -> Build:
    """Publish `interactions/` and `items/` (Parquet, see `contract`) as a new version in `root`, once for each input.

    Args:
        spark: the session.
        dataset: the adapter with its options.
        source: folder of the dataset's files; None for a dataset that needs none.
        root: folder of all versions in the lake.
        mirror: second home of these versions.

    Returns:
        The version. Its manifest has, for each of the two tables, rows, rejected rows by reason, and schema.

    Raises:
        DataError: the source can't be used; nothing was written.
    """
    files = dataset.require_files(source)
    inputs = {
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json"),
        "files": {path.name: file_digest(path) for path in files},
    }
    place = source or Path()

    def build(folder: Path) -> dict[str, Any]:
        with _damage_named(files):
            items = check_items(dataset.read_items(spark, place))
            items.rows.write.parquet(str(folder / ITEMS_FOLDER))
            facts = {"items": summary(items)}
            interactions = check_interactions(
                dataset.read_interactions(spark, place),
                spark.read.parquet(str(folder / ITEMS_FOLDER)),
                rating_min=dataset.rating_min,
                rating_max=dataset.rating_max,
                has_timestamps=dataset.has_timestamps,
            )
            interactions.rows.write.parquet(str(folder / INTERACTIONS_FOLDER))
            return {**facts, "interactions": summary(interactions)}

    return build_once(root, inputs, build, mirror)


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
