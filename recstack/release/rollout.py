"""Puts an archive into service without a gap."""

import time
from pathlib import Path

from recstack.settings import Settings
from recstack.storage.lake import CURRENT, write_atomically
from recstack.torchserve.api import Api, TorchServeError

MODEL_NAME = "recstack"
"""Under which TorchServe serves; archives are called `recstack-<version>.mar`."""

START_SECONDS = 180
DRAIN_SECONDS = 10


def serve(api: Api, archive: Path, settings: Settings) -> str:
    """Publish an archive of recstack's model, and note in its store that it is the one to serve after a restart.

    Returns:
        Its version.

    Raises:
        TorchServeError: see `publish`.
    """
    version = archive.stem.removeprefix(f"{MODEL_NAME}-")
    publish(api, archive, MODEL_NAME, version, settings)
    write_atomically(archive.parent / CURRENT, archive.name)
    return version


def served_last(store: Path) -> Path | None:
    """The archive that `serve` published last, None if none ever was or if it is gone."""
    note = store / CURRENT
    archive = store / note.read_text().strip() if note.exists() else None
    return archive if archive is not None and archive.exists() else None


def publish(api: Api, archive: Path, model: str, version: str, settings: Settings) -> None:
    """Let TorchServe serve a version of a model, and nothing else of this model.

    The new version is registered and has answered before it becomes the default; only then the others are drained and
    removed. A version that is served already is left alone, so that a repeated call changes nothing.

    Args:
        api: the running TorchServe.
        archive: in its model store; TorchServe finds it by its file name.
        model: name to serve under.
        version: the archive's.
        settings: how many workers, and how they batch.

    Raises:
        TorchServeError: not reachable, or the archive was refused; the versions served before go on serving.
    """
    if not _serving(api, model, version, archive.name):
        if version in api.versions(model):  # left over from a start that failed
            api.unregister(model, version)
        try:
            api.register(
                archive.name,
                workers=settings.torchserve_workers,
                batch_size=settings.torchserve_batch_size,
                max_batch_delay_ms=settings.torchserve_batch_delay_ms,
                timeout=START_SECONDS,
            )
            api.predict(model, {"liked": []}, version, timeout=START_SECONDS)
        except TorchServeError as error:
            _forget(api, model, version)
            raise TorchServeError(
                f"{archive.name} was not put into service. {error} (the cause is in TorchServe's logs/model.log)",
                error.status,
            ) from None
    api.set_default(model, version)
    for old in set(api.versions(model)) - {version}:
        _drain(api, model, old)
        api.unregister(model, old)


def _serving(api: Api, model: str, version: str, archive: str) -> bool:
    found = api.versions(model).get(version)
    if found is None or found["modelUrl"] != archive:
        return False
    return any(worker["status"] == "READY" for worker in found["workers"])


def _forget(api: Api, model: str, version: str) -> None:
    """Remove what a failed start may have left registered; it never is the default while another one is."""
    if version in api.versions(model):
        api.unregister(model, version)


def _drain(api: Api, model: str, version: str) -> None:
    """Wait until a version that is no longer the default has answered what it had accepted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.5)  # also covers the batch in the worker's hands, which no queue counts
        if not api.versions(model)[version]["jobQueueStatus"]["pendingRequests"]:
            return
