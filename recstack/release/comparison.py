"""Ranks a candidate and the champion on the same rankings: the test part of the candidate's data."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.archive.bundle import Bundle, BundleError, IncompatibleBundle
from recstack.data.splits import TEST
from recstack.evaluation.ranking import user_ndcg
from recstack.features.arrays import Doubles
from recstack.storage.lake import Build
from recstack.training.experiment import Experiment

JUDGED = "judged"
"""Folder of a published model with the bundle that has not seen the test part; without it `bundle` is that one."""


@dataclass(frozen=True)
class Comparison:
    """NDCG@10 of the same U test users, ascending by id."""

    ours: Doubles
    """[U] of the candidate."""
    theirs: Doubles
    """[U] of the champion."""
    champion_saw: bool
    """Whether the champion has learned from a time in which test targets lie, which favours it."""


def compare_with_champion(experiment: Experiment, candidate: Build, champion: Path) -> Comparison:
    """Let both judged models rank the test part of the candidate's data, with the item features before that part.

    Args:
        experiment: what the candidate was trained on.
        candidate: what the flow `train` published.
        champion: the folder that it published for the champion.

    Raises:
        IncompatibleBundle: the champion reads another generation of feature rows, or is not of this code.
        BundleError: a bundle is missing or damaged.
        DataError: the test part has nothing to rank.
    """
    items = _items_before_test(experiment.features)
    ours = _ndcg(experiment, judged_bundle(candidate.path), items)
    theirs = judged_bundle(champion)
    generation = theirs.manifest.facts.generation
    if generation != experiment.features.manifest["generation"]:
        raise IncompatibleBundle(
            f"it reads feature rows of generation {generation}, which this run's tables no longer keep up to date"
        )
    end = theirs.manifest.facts.model_dump().get("log_end")
    first = _first_of_test(experiment.features)
    champion_saw = end is None or first is None or end >= first
    return Comparison(ours, _ndcg(experiment, theirs, items), champion_saw)


def judged_bundle(published: Path) -> Bundle:
    """The bundle of a published model that is judged: it has learned from what lies before the test part.

    Raises:
        BundleError: it is missing, damaged, or not of this code.
    """
    if not published.is_dir():
        raise BundleError(f"the folder {published} is gone")
    return Bundle.read(published / JUDGED if (published / JUDGED).exists() else published / "bundle")


def _ndcg(experiment: Experiment, bundle: Bundle, items: pa.Table) -> Doubles:
    features = bundle.encoder.items(items)
    return user_ndcg(bundle.model(features), experiment.cases_encoded_by(bundle.encoder, features.genres, TEST))


def _items_before_test(features: Build) -> pa.Table:
    """The newest features of each item before the test part; the oldest ones where there are none before it."""
    rows = pq.read_table(features.path / "item").sort_by([(c.ITEM_ID, "ascending"), (c.EVENT_TIMESTAMP, "ascending")])
    first = _first_of_test(features)
    if first is not None:
        earliest = pc.min(rows[c.EVENT_TIMESTAMP])
        known = pc.less_equal(_seconds(rows[c.EVENT_TIMESTAMP]), first)
        rows = rows.filter(pc.or_(known, pc.equal(rows[c.EVENT_TIMESTAMP], earliest)))
    ids = rows[c.ITEM_ID].to_numpy()
    newest = [*(ids[1:] != ids[:-1]), True] if len(ids) else []
    return rows.filter(pa.array(newest, pa.bool_()))


def _first_of_test(features: Build) -> int | None:
    """Epoch second of the first interaction of the test part; None without timestamps."""
    rows = pq.read_table(features.path / "interactions", columns=[c.TIMESTAMP], filters=pc.field(c.SPLIT) == TEST)
    first = pc.min(rows[c.TIMESTAMP])
    return None if first.as_py() is None else int(_seconds(first).as_py())


def _seconds(timestamps: pa.ChunkedArray | pa.Scalar) -> pa.ChunkedArray | pa.Scalar:
    return pc.divide(pc.cast(pc.cast(timestamps, pa.timestamp("us", tz="UTC")), pa.int64()), 1_000_000)
