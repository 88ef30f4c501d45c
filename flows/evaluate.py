"""Evaluates the trained model and baselines on the test part and publishes the report."""

import json
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact

from flows.console import say_build, show
from flows.remote import remote_of
from recstack.evaluation.report.report import HEADLINE
from recstack.experiments.candidate_report import report_candidate
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import Build, opened
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.threads import use_threads


@task
def rank_test_part(
    settings: Settings,
    interactions: Path,
    features: Path,
    trained: Path,
    baselines: list[str],
    seeds: int,
    staleness: tuple[str, ...] | None,
) -> Build:
    """Fit the baselines, evaluate, and log to the model's MLflow run, unless this report is already published."""
    use_threads(settings.threads)
    remote = remote_of(settings)
    for path in (interactions, features, trained):
        remote.fetch(path)
    candidate = opened(trained)
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    experiment = Experiment(settings, spark, opened(interactions), opened(features), candidate.manifest["target"])
    tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
    return report_candidate(experiment, candidate, baselines, tracker, seeds=seeds, staleness=staleness, remote=remote)


@flow(name="evaluate")
def evaluate(
    interactions: Path,
    features: Path,
    trained: Path,
    dataset: str = "movielens_100k",
    baselines: tuple[str, ...] = ("popularity", "item_item"),
    seeds: int = 1,
    staleness: tuple[str, ...] | None = None,
) -> Path:
    """Evaluate the judged model on the test part of the split, which it was not trained on; the served one was.

    Args:
        interactions: what `ingest` returned.
        features: what `build_features` returned.
        trained: what `train` returned.
        dataset: their dataset.
        baselines: models to compare with.
        seeds: fits of each model; the trained one is the first of its own.
        staleness: ages of the users' histories to show side by side (0s, 1h, 1d); by default all three in global-time.

    Returns:
        Path of the published report.
    """
    settings = Settings(dataset=dataset)
    build = rank_test_part(settings, interactions, features, trained, list(baselines), seeds, staleness)
    report = json.loads((build.path / "report.json").read_text())
    name = build.manifest["models"][0]
    figures = report["models"][name][HEADLINE]
    what = f"{name}: {HEADLINE} {figures['mean']:.4f} [{figures['ci_low']:.4f}, {figures['ci_high']:.4f}]"
    say_build("evaluate", f"{what}, {report['n_targets']:,} targets", build)
    table = (build.path / "table.md").read_text()
    show(table)
    create_markdown_artifact(table, key=f"{dataset.replace('_', '-')}-metrics", description="Test part, all models")
    return build.path
