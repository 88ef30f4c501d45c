"""Features to a trained model, tracked in MLflow and written as a bundle."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from prefect import flow, task
from prefect.artifacts import create_link_artifact
from tqdm import tqdm

from flows.console import say_build
from flows.mirror import mirror_of
from recstack.archive.bundle import Facts, write_bundle
from recstack.data.traits import Traits
from recstack.models.base import Progress
from recstack.recommend.request import RatingScale
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import Build, build_once, opened, version_of
from recstack.training.dataset import newest_items
from recstack.training.experiment import Experiment, Label
from recstack.training.record import record_training, write_training
from recstack.training.tracking import Tracker
from recstack.training.train import train as train_model


@task
def fit(
    settings: Settings, interactions: Path, features: Path, model: str, seed: int, options: dict[str, Any], label: Label
) -> Build:
    """Train, track and publish the bundle, unless it stands."""
    root = settings.lake / "models"
    mirror = mirror_of(settings)
    mirror.bring(interactions)
    mirror.bring(features)
    inputs = {"features": features.name, "dataset": settings.dataset, "model": model, "seed": seed}
    inputs |= {"options": options, "label": label}
    version = version_of(inputs)
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    experiment = Experiment(settings, spark, opened(interactions), opened(features), label)

    def build(draft: Path) -> dict[str, Any]:
        traits = Traits.of(experiment.ingested)
        tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
        with tracker.run(f"{model} {version}") as run, tqdm(desc="training", unit="epoch", disable=None) as bar:

            def show(progress: Progress) -> None:
                bar.update()
                bar.set_postfix({name: f"{value:.4f}" for name, value in progress.metrics.items()})

            trained = train_model(
                experiment, model, seed=seed, options=options, report=show, checkpoints=root / "checkpoints" / version
            )
            manifest = write_training(draft, trained, experiment, run)
            record_training(run, draft, trained, experiment)
            facts = Facts(
                model_version=version,
                dataset=settings.dataset,
                timed=traits.has_timestamps,
                scale=RatingScale(low=traits.rating_min, high=traits.rating_max, liked=traits.positive_from),
                config=trained.options,
                data_fingerprint=experiment.fingerprint,
                run_id=run.run_id,
            )
            (draft / "bundle").mkdir()
            write_bundle(
                draft / "bundle",
                trained.model,
                trained.data.encoder,
                pq.read_table(experiment.ingested.path / "items"),
                newest_items(settings, experiment.features),
                facts,
            )
            return manifest

    return build_once(root, inputs, build, mirror)


@flow(name="train")
def train(
    interactions: Path,
    features: Path,
    dataset: str = "movielens_100k",
    model: str = "fusion",
    seed: int = 0,
    options: dict[str, Any] | None = None,
    label: Label = "implicit",
) -> Path:
    """Train a model on everything before the test part of the split.

    Args:
        interactions: what `ingest` returned.
        features: what `build_features` returned, materialized.
        dataset: whose they are.
        model: a model of `recstack/models`.
        seed: of every random draw.
        options: fields of the model's `Config`.
        label: which interactions are positives, to learn from and to be judged on: all ("implicit"), or those that are
            rated as high as the dataset's `positive_from` ("positive").

    Returns:
        Path of the published version.
    """
    settings = Settings(dataset=dataset)
    build = fit(settings, interactions, features, model, seed, options or {}, label)
    facts = build.manifest
    quality = "no validation users" if facts["validation"] is None else f"validation NDCG@10 {facts['validation']:.4f}"
    what = f"{model}: {facts['rows']:,} rows, {facts['epochs']} epochs, {quality}"
    say_build("train", what, build)
    create_link_artifact(
        f"{settings.mlflow_page}/{facts['run_url']}",
        link_text=f"MLflow run of {model} {build.path.name}",
        key=f"{dataset.replace('_', '-')}-run",
    )
    return build.path
