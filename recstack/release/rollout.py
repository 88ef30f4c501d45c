"""Rolls out an archive: TorchServe answers with it instead of the version before, without a gap."""

import time
from pathlib import Path

from recstack.settings import Settings
from recstack.storage.lake import CURRENT, write_atomically
from recstack.torchserve.api import Api, TorchServeError

MODEL_NAME = "recstack"
"""The name under which TorchServe serves the model; archives are called `recstack-<version>.mar`."""

START_SECONDS = 180
DRAIN_SECONDS = 10


def roll_out(api: Api, archive: Path, settings: Settings) -> str:
    """Switch TorchServe to an archive of recstack's model, and record it for the next start of the server.

    Args:
        api: the running TorchServe.
        archive: `recstack-<version>.mar` in its model store.
        settings: how many workers, and how they batch.

    Returns:
        The archive's version.

    Raises:
        TorchServeError: see `switch_version`.
    """
    version = archive.stem.removeprefix(f"{MODEL_NAME}-")
    switch_version(api, archive, MODEL_NAME, version, settings)
    write_atomically(archive.parent / CURRENT, archive.name)
    return version


def last_rolled_out(store: Path) -> Path | None:
    """The archive of the last `roll_out` from this model store; None if there was none or its file is gone."""
    record = store / CURRENT
    archive = store / record.read_text().strip() if record.exists() else None
    return archive if archive is not None and archive.exists() else None


def switch_version(api: Api, archive: Path, model: str, version: str, settings: Settings) -> None:
    """Make TorchServe serve one version of a model and remove its other versions.

    The new version becomes the default after it has answered a request. Then the others finish the requests that they
    have accepted, and are removed. A version that is served already stays as it is: a repeated call changes nothing.

    Args:
        api: the running TorchServe.
        archive: in its model store; TorchServe finds it by its file name.
        model: name to serve under.
        version: the archive's.
        settings: how many workers, and how they batch.

    Raises:
        TorchServeError: not reachable, or the archive was refused; the versions served before go on serving.
    """
    if not _is_serving(api, model, version, archive.name):
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
            _unregister_if_there(api, model, version)
            raise TorchServeError(
                f"{archive.name} was not rolled out. {error} (the cause is in TorchServe's logs/model.log)",
                error.status,
            ) from None
    api.set_default(model, version)
    for old in set(api.versions(model)) - {version}:
        _drain(api, model, old)
        api.unregister(model, old)


def _is_serving(api: Api, model: str, version: str, archive: str) -> bool:
    found = api.versions(model).get(version)
    if found is None or found["modelUrl"] != archive:
        return False
    return any(worker["status"] == "READY" for worker in found["workers"])


def _unregister_if_there(api: Api, model: str, version: str) -> None:
    """Remove what a failed start left registered; it was never the default while another version was."""
    if version in api.versions(model):
        api.unregister(model, version)


def _drain(api: Api, model: str, version: str) -> None:
    """Wait until a version that is no longer the default has answered the requests that it accepted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.5)  # also covers the batch that a worker is computing, which no queue counts
        if not api.versions(model)[version]["jobQueueStatus"]["pendingRequests"]:
            return
