"""All feature tables of one dataset as one atomic output, with the split that they respect."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.assign_split import assign
from recstack.data.ingest import HELD_OUT_FOLDER, INTERACTIONS_FOLDER, ITEMS_FOLDER
from recstack.data.numbering import NUMBERING
from recstack.data.splits import AT_RANDOM, BEFORE_TEST, EVERYTHING, SPLIT_SEED, TEST, TRAIN
from recstack.data.traits import Traits
from recstack.features import item, spec, user, vocabulary
from recstack.features.generation import generation
from recstack.features.options import FeatureOptions
from recstack.features.training_users import training_users
from recstack.progress import working
from recstack.spark import read_table, running_tasks
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, current

FITTED_BEFORE_TEST: Final = ((TRAIN,), BEFORE_TEST)
"""The parts that models are fitted to which are not served: to find how long, and to be judged on the test part."""


def build_features(
    spark: SparkSession,
    ingested: Build,
    root: Path,
    options: FeatureOptions,
    remote: Remote = NO_REMOTE,
    *,
    keep_positions: bool = True,
) -> Build:
    """Write `interactions` (with their split), `user`, `item`, the users to learn from, and the vocabulary.

    With timestamps no more is needed: every feature row has the time from which it was known. Without timestamps only
    the split tells past from future. So for each of `FITTED_BEFORE_TEST` there are items that are counted in these
    parts alone: what decides when to stop, or between options, must not read counts that hold its targets. The `user`
    and `item` tables, which are served, know everything, so that nobody is offered what they have rated.

    Args:
        spark: a session.
        ingested: what `data.ingest` published.
        root: folder of all versions of the features.
        options: see `FeatureOptions`.
        remote: copy of these versions in the object store. The current version there gives genres their positions.
        keep_positions: whether genres keep the positions that the current version of `root` gave them. An experiment
            does not: its figures must not depend on what was built before.

    Returns:
        The version. Its manifest says whether the features have timestamps, and gives rows and schema of each table.

    Raises:
        UserError: the version that gave genres their positions is gone.
    """
    catalogue = pq.read_table(ingested.path / ITEMS_FOLDER, columns=[c.ITEM_ID, c.GENRES])
    remote.fetch_current(root)
    before = _previous(root) if keep_positions else _Before((), None)
    genres = vocabulary.extend(before.genres, pc.unique(pc.list_flatten(catalogue[c.GENRES])).to_pylist())
    inputs = {
        "interactions": ingested.path.name,
        "vocabulary": {"version": vocabulary.version(genres), "lineage": before.lineage or vocabulary.version(genres)},
        "feature_schema": spec.schema_digest(),
        **options.model_dump(mode="json"),
    }

    def build(draft: Path) -> dict[str, Any]:
        # "Recent" must mean one thing in training and evaluation: a split that ignores time hides it from both.
        has_timestamps = options.has_timestamps and options.protocol not in AT_RANDOM
        _write_split(spark, ingested, draft, options, has_timestamps)
        _write_features(spark, ingested, draft, options, has_timestamps, catalogue, genres)
        vocabulary.save(draft, genres, before.lineage)
        rows = generation(inputs, has_timestamps, ingested.manifest.get(NUMBERING))
        facts = {"has_timestamps": has_timestamps, "generation": rows, "log_end": _log_end(draft)}
        return {**facts, **_summary(draft)}

    return build_once(root, inputs, build, made_by=[__name__], remote=remote)


class _Before(NamedTuple):
    """The vocabulary that the next one continues, and the version that it began with; none for the first one."""

    genres: tuple[str, ...]
    lineage: str | None


def training_users_of(parts: Sequence[str]) -> str:
    """Folder of the users that models learn from: of those before the test part, or of all for the served model."""
    return "training_users_all" if TEST in parts else "training_users"


def items_of(parts: Sequence[str]) -> str:
    """Folder of the items of data without timestamps, as a model knows them that learns from these parts."""
    return "item" if TEST in parts else "_".join(["item", *parts])


def _write_split(
    spark: SparkSession, ingested: Build, draft: Path, options: FeatureOptions, has_timestamps: bool
) -> None:
    supplied = ingested.path / HELD_OUT_FOLDER
    with working("build_features: dividing the interactions", unit="task", measure=running_tasks(spark)):
        interactions = read_table(spark, ingested.path / INTERACTIONS_FOLDER)
        if not has_timestamps and Traits.of(ingested).has_timestamps:
            interactions = _without_time(interactions)
        interactions = assign(
            interactions,
            options.protocol,
            SPLIT_SEED,
            split_at=options.split_at,
            held_out=read_table(spark, supplied) if supplied.exists() else None,
        )
        interactions.write.parquet(str(draft / INTERACTIONS_FOLDER))


def _without_time(interactions: DataFrame) -> DataFrame:
    """Each user and item once, with the newest rating: without timestamps a repetition is neither past nor future."""
    newest = F.max_by(c.RATING, c.TIMESTAMP).alias(c.RATING)
    once = interactions.groupBy(c.USER_ID, c.ITEM_ID).agg(newest)
    return once.withColumn(c.TIMESTAMP, F.lit(None).cast("timestamp"))


def _write_features(
    spark: SparkSession,
    ingested: Build,
    draft: Path,
    options: FeatureOptions,
    has_timestamps: bool,
    catalogue: pa.Table,
    genres: tuple[str, ...],
) -> None:
    step = partial(working, unit="task", measure=running_tasks(spark))
    interactions = read_table(spark, draft / INTERACTIONS_FOLDER)
    before_test = interactions.filter(F.col(c.SPLIT) != TEST)
    item_genres = vocabulary.item_genres(catalogue, genres, options.alpha)
    with step("build_features: user features"):
        user.snapshots(interactions, item_genres, options.snapshot_every).write(draft / "user")
    items = read_table(spark, ingested.path / ITEMS_FOLDER)
    with step("build_features: item features"):
        item.snapshots(interactions, items, genres).write.parquet(str(draft / "item"))
    if not has_timestamps:
        with step("build_features: items as models know them"):
            for fitted in FITTED_BEFORE_TEST:
                known = interactions.filter(F.col(c.SPLIT).isin(list(fitted)))
                item.snapshots(known, items, genres).write.parquet(str(draft / items_of(fitted)))
    with step("build_features: users to learn from"):
        for rows, parts in ((before_test, BEFORE_TEST), (interactions, EVERYTHING)):
            training_users(rows, options.training_filter).write.parquet(str(draft / training_users_of(parts)))


def _log_end(draft: Path) -> int | None:
    """Epoch second of the last interaction; None without timestamps."""
    last = pc.max(pq.read_table(draft / INTERACTIONS_FOLDER, columns=[c.TIMESTAMP])[c.TIMESTAMP]).as_py()
    return None if last is None else int(last.timestamp())


def _summary(draft: Path) -> dict[str, Any]:
    """Rows and columns of each table, and interactions of each part, for the manifest; read from the files."""
    tables = {folder.name: ds.dataset(folder) for folder in sorted(draft.iterdir()) if folder.is_dir()}
    parts: Counter[str] = Counter()
    for batch in tables[INTERACTIONS_FOLDER].to_batches(columns=[c.SPLIT]):
        parts.update({each["values"]: each["counts"] for each in batch[c.SPLIT].value_counts().to_pylist()})
    return {
        "rows": {name: table.count_rows() for name, table in tables.items()},
        "split": parts,
        "schema": {
            name: ", ".join(f"{each.name}: {each.type}" for each in table.schema) for name, table in tables.items()
        },
    }


def _previous(root: Path) -> _Before:
    try:
        newest = current(root)
    except FileNotFoundError:
        return _Before((), None)
    return _Before(vocabulary.load(newest.path), vocabulary.lineage(newest.path))
