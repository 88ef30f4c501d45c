"""Computes dated user and item features from interactions."""

from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.console import say_build
from flows.remote import remote_of
from recstack.data.traits import Traits
from recstack.features.build import build_features as publish_features
from recstack.features.options import FeatureChoices, FeatureOptions
from recstack.features.spec import ALPHA
from recstack.features.training_users import TrainingFilter
from recstack.features.user import SnapshotEvery
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import Build, opened


@task
def compute(
    settings: Settings,
    interactions: Path,
    protocol: str | None,
    split_at: date | None,
    choices: FeatureChoices,
) -> Build:
    """Run the Spark jobs, unless their output is there already."""
    remote = remote_of(settings)
    remote.fetch(interactions)
    ingested = opened(interactions)
    options = FeatureOptions.of(
        Traits.of(ingested),
        ingested.manifest["interactions"]["rows"],
        protocol=protocol,
        split_at=split_at,
        choices=choices,
    )
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    return publish_features(spark, ingested, settings.lake / "features", options, remote)


@flow(name="build_features")
def build_features(
    interactions: Path,
    dataset: str = "movielens_100k",
    protocol: str | None = None,
    split_at: date | None = None,
    snapshot_every: SnapshotEvery | None = None,
    training_filter: TrainingFilter | None = None,
    alpha: float = ALPHA,
) -> Path:
    """Publish the feature tables and the split.

    Args:
        interactions: what `ingest` returned.
        dataset: name of the dataset.
        protocol: evaluation protocol that the split follows; by default global-time, or stratified without time.
        split_at: first day of the test part of global-time; by default a quantile of time.
        snapshot_every: how fine the dated user features are; by default "interaction", or "day" from ten million
            interactions on.
        training_filter: which users models learn from; by default what the dataset asks for.
        alpha: slope of the user-genre score, see `features.profile`.

    Returns:
        Path of the published version.
    """
    choices = FeatureChoices(snapshot_every=snapshot_every, training_filter=training_filter, alpha=alpha)
    build = compute(Settings(dataset=dataset), interactions, protocol, split_at, choices)
    rows, inputs = build.manifest["rows"], build.manifest["inputs"]
    every = f", snapshots by {inputs['snapshot_every']}" if build.manifest["has_timestamps"] else ""
    what = f"{rows['user']:,} user and {rows['item']:,} item rows, split {inputs['protocol']}{every}"
    say_build("build_features", what, build)
    create_table_artifact(
        [{"table": name, "rows": count, "columns": build.manifest["schema"][name]} for name, count in rows.items()],
        key=f"{dataset.replace('_', '-')}-features",
        description=f"Feature tables of {dataset}, version {build.path.name}",
    )
    return build.path
