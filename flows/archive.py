"""Packs a trained bundle as a `.mar` file and registers it in MLflow; the promotion rule decides who is champion."""

import time
from pathlib import Path

from prefect import flow, task

from flows.console import say
from flows.remote import remote_of
from recstack.archive.bundle import Bundle
from recstack.archive.mar import build_archive
from recstack.archive.warm_up import check_bundle
from recstack.release.comparison import Comparison, compare_with_champion
from recstack.release.registration import register_candidate
from recstack.release.rollout import MODEL_NAME
from recstack.settings import HANDLER, Settings
from recstack.spark import open_session
from recstack.storage.lake import Build, Remote, opened
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.threads import use_threads


@task
def warm_up(settings: Settings, trained: Path) -> None:
    """Refuse a model that can't score before it may become champion."""
    remote_of(settings).fetch(trained)
    check_bundle(Bundle.read(trained / "bundle"), int(time.time()), settings.warm_up_budget)


@task
def pack(settings: Settings, trained: Path) -> Path:
    """Build the archive."""
    remote = remote_of(settings)
    remote.fetch(trained)
    archive = build_archive(trained / "bundle", HANDLER, settings.model_store, MODEL_NAME, trained.name)
    remote.store(archive)
    return archive


@task
def register(settings: Settings, trained: Path, report: Path, archive: Path) -> tuple[Path, str]:
    """Register the candidate in MLflow, and make it champion if the rule in `release.promotion` says so."""
    use_threads(settings.threads)
    tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
    remote = remote_of(settings)
    remote.fetch(report)
    candidate = opened(trained)

    def compare(champion: Path) -> Comparison:
        remote.fetch(champion)
        return compare_with_champion(_experiment(settings, candidate, remote), candidate, champion)

    champion = tracker.champion()
    if champion is not None and "archive" in champion.tags:
        remote.fetch(Path(champion.tags["archive"]))
    return register_candidate(tracker, candidate, report, archive, compare)


def _experiment(settings: Settings, candidate: Build, remote: Remote) -> Experiment:
    """What the candidate was trained on."""
    features = settings.lake / "features" / candidate.manifest["inputs"]["features"]
    remote.fetch(features)
    interactions = settings.lake / "interactions" / opened(features).manifest["inputs"]["interactions"]
    remote.fetch(interactions)
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    return Experiment(settings, spark, opened(interactions), opened(features), candidate.manifest["target"])


@flow(name="archive")
def archive(trained: Path, report: Path, dataset: str = "movielens_100k") -> Path:
    """Package and register a model.

    Args:
        trained: what `train` returned.
        report: what `evaluate` returned.
        dataset: the model's dataset.

    Returns:
        Path of the champion's `.mar` file: this one, unless an earlier model is better.

    Raises:
        BundleError: the model does not pass the warm-up; nothing is registered.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    warm_up(settings, trained)
    packed = pack(settings, trained)
    champion, outcome = register(settings, trained, report, packed)
    say("archive", f"{packed.stat().st_size / 1e6:.1f} MB; {outcome}", time.monotonic() - start, packed)
    return champion
