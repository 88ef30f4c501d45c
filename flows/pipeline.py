"""The whole way, from a log of ratings to a model in service."""

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


@flow(name="pipeline")
def pipeline(
    dataset: str = "movielens_100k",
    data: Path | None = None,
    dataset_options: dict[str, Any] | None = None,
    model: str = "genre_ncf",
    model_options: dict[str, Any] | None = None,
    seed: int = 0,
) -> str:
    """Ingest, build features, materialize, train, evaluate, archive, deploy; finished steps are not done again.

    Args:
        dataset: name of an adapter in `recstack/interactions`.
        data: folder of the source files; by default they are downloaded, where that is allowed.
        dataset_options: fields of the adapter.
        model: a model of `recstack/models`.
        model_options: fields of the model's `Config`.
        seed: of every random draw.

    Returns:
        The model version that is served.
    """
    interactions = ingest(dataset, data, dataset_options)
    features = build_features(interactions, dataset)
    materialize(features, dataset)
    trained = train(interactions, features, dataset, model, seed, model_options)
    report = evaluate(interactions, features, trained, dataset)
    archived = archive(trained, report, dataset)
    return deploy(archived, dataset)
