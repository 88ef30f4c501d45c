"""Packs a trained bundle as a `.mar` file and registers it in MLflow; the promotion rule decides who is champion."""

import time
from pathlib import Path

from prefect import flow, task

from flows.console import say
from flows.remote import remote_of
from recstack.archive.mar import build_archive
from recstack.release.registration import register_candidate
from recstack.release.rollout import MODEL_NAME
from recstack.settings import HANDLER, Settings
from recstack.storage.lake import opened
from recstack.tracking.tracker import Tracker


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
    tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
    remote = remote_of(settings)
    remote.fetch(report)
    if champion := tracker.champion():  # the promotion rule reads its files
        remote.fetch(Path(champion.tags["trained"]))
        remote.fetch(Path(champion.tags["archive"]))
    return register_candidate(tracker, opened(trained), report, archive)


@flow(name="archive")
def archive(trained: Path, report: Path, dataset: str = "movielens_100k") -> Path:
    """Package and register a model.

    Args:
        trained: what `train` returned.
        report: what `evaluate` returned.
        dataset: the model's dataset.

    Returns:
        Path of the champion's `.mar` file: this one, unless an earlier model is better.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    packed = pack(settings, trained)
    champion, outcome = register(settings, trained, report, packed)
    say("archive", f"{packed.stat().st_size / 1e6:.1f} MB; {outcome}", time.monotonic() - start, packed)
    return champion
