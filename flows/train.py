"""Trains a model on the features, tracks it in MLflow and publishes two bundles: one to judge and one to serve."""

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact

from flows.console import say_build
from flows.remote import remote_of
from recstack.data.targets import Target
from recstack.release.candidate import build_candidate
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import Build, opened
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.threads import use_threads


@task
def fit(
    settings: Settings,
    interactions: Path,
    features: Path,
    model: str,
    seed: int,
    options: dict[str, Any],
    target: Target,
) -> Build:
    """Train, track and publish the bundles, unless this version is already published."""
    use_threads(settings.threads)
    remote = remote_of(settings)
    remote.fetch(interactions)
    remote.fetch(features)
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    experiment = Experiment(settings, spark, opened(interactions), opened(features), target)
    tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
    return build_candidate(experiment, model, tracker, seed=seed, options=options, remote=remote)


@flow(name="train")
def train(
    interactions: Path,
    features: Path,
    dataset: str = "movielens_100k",
    model: str = "fusion",
    seed: int = 0,
    options: dict[str, Any] | None = None,
    target: Target = "implicit",
) -> Path:
    """Train a model: one on what lies before the test part, for the report, and one on everything, to be served.

    Args:
        interactions: what `ingest` returned.
        features: what `build_features` returned, materialized.
        dataset: their dataset.
        model: a model of `recstack/models`.
        seed: of every random draw.
        options: fields of the model's `Config`.
        target: which interactions the model is trained on and evaluated on: all ("implicit"), or those with at least
            the rating `positive_from` of the dataset ("positive").

    Returns:
        Path of the published version.
    """
    settings = Settings(dataset=dataset)
    build = fit(settings, interactions, features, model, seed, options or {}, target)
    facts = build.manifest
    quality = "no validation users" if facts["validation"] is None else f"validation NDCG@10 {facts['validation']:.4f}"
    what = f"{model}: {facts['rows']:,} rows, {facts['epochs']} epochs; {quality} before it saw all"
    say_build("train", what, build)
    create_link_artifact(
        f"{settings.mlflow_page}/{facts['run_url']}",
        link_text=f"MLflow run of {model} {build.path.name}",
        key=f"{dataset.replace('_', '-')}-run",
    )
    return build.path
