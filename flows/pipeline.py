"""The whole pipeline, from a log of ratings to a served model."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import flow

from flows.archive import archive
from flows.build_features import build_features
from flows.deploy import deploy
from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.materialize import materialize
from flows.train import train
from recstack.data.targets import Target
from recstack.features.spec import ALPHA
from recstack.features.training_users import TrainingFilter
from recstack.features.user import SnapshotEvery


@flow(name="pipeline")
def pipeline(
    dataset: str = "movielens_100k",
    data: Path | None = None,
    dataset_options: dict[str, Any] | None = None,
    protocol: str | None = None,
    split_at: date | None = None,
    snapshot_every: SnapshotEvery | None = None,
    training_filter: TrainingFilter | None = None,
    model: str = "fusion",
    model_options: dict[str, Any] | None = None,
    seed: int = 0,
    target: Target = "implicit",
    alpha: float = ALPHA,
) -> str:
    """Ingest, build features, materialize, train, evaluate, archive, deploy; skip steps that are already done.

    Args:
        dataset: name of an adapter in `recstack/data/adapters`.
        data: folder of the source files; by default they are downloaded, where their licence allows it.
        dataset_options: fields of the adapter.
        protocol: evaluation protocol that the split follows, see `build_features`.
        split_at: first day of the test part; by default a quantile of time.
        snapshot_every: how fine the dated user features are, see `build_features`.
        training_filter: which users models learn from, see `build_features`.
        model: a model of `recstack/models`.
        model_options: fields of the model's `Config`.
        seed: of every random draw.
        target: which interactions are targets, see `train`.
        alpha: slope of the user-genre score, see `features.profile`.

    Returns:
        The model version that is served.
    """
    read_at = datetime.now(UTC)
    interactions = ingest(dataset, data, dataset_options)
    features = build_features(interactions, dataset, protocol, split_at, snapshot_every, training_filter, alpha)
    materialize(features, dataset, read_at)
    trained = train(interactions, features, dataset, model, seed, model_options, target)
    report = evaluate(interactions, features, trained, dataset)
    archived = archive(trained, report, dataset)
    return deploy(archived, dataset)
