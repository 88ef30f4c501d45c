"""A trained bundle to a `.mar` in the model store and a version in MLflow's registry."""

import time
from pathlib import Path

from prefect import flow, task

from flows.console import say
from flows.remote import remote_of
from recstack.archive.mar import build_archive
from recstack.release.promotion import register_model
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
    """Register the model version in MLflow and move the alias `champion` if the new one is better beyond noise."""
    tracker = Tracker(settings.tracking_uri, settings.dataset, settings.artifacts)
    remote = remote_of(settings)
    remote.fetch(report)
    if champion := tracker.champion():  # the comparison needs its files
        remote.fetch(Path(champion.tags["trained"]))
        remote.fetch(Path(champion.tags["archive"]))
    return register_model(tracker, opened(trained), report, archive)


@flow(name="archive")
def archive(trained: Path, report: Path, dataset: str = "movielens_100k") -> Path:
    """Package and register a model.

    Args:
        trained: what `train` returned.
        report: what `evaluate` returned.
        dataset: whose model it is.

    Returns:
        Path of the champion's `.mar` file: this one, unless an earlier model is better.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    packed = pack(settings, trained)
    champion, verdict = register(settings, trained, report, packed)
    say("archive", f"{packed.stat().st_size / 1e6:.1f} MB; {verdict}", time.monotonic() - start, packed)
    return champion
