"""Rolls out an archive: TorchServe answers with it instead of the version before, without a gap."""

import time
from collections.abc import Sequence
from pathlib import Path

from recstack.release.known_users import known_users
from recstack.settings import Settings
from recstack.storage.lake import CURRENT, write_atomically
from recstack.torchserve.api import Api, TorchServeError
from recstack.torchserve.model_log import ModelLog

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
        UserError: the online store can't be read, or knows no user of the model, see `known_users`.
    """
    version = _version(archive)
    switch_version(api, archive, MODEL_NAME, version, settings, known_users(archive, settings))
    write_atomically(archive.parent / CURRENT, archive.name)
    return version


def serve_again(api: Api, archive: Path, settings: Settings) -> None:
    """Serve the archive of an earlier `roll_out` after a start of TorchServe, also while the online store is down.

    Raises:
        TorchServeError: see `switch_version`.
    """
    switch_version(api, archive, MODEL_NAME, _version(archive), settings)


def _version(archive: Path) -> str:
    return archive.stem.removeprefix(f"{MODEL_NAME}-")


def last_rolled_out(store: Path) -> Path | None:
    """The archive of the last `roll_out` from this model store; None if there was none or its file is gone."""
    record = store / CURRENT
    archive = store / record.read_text().strip() if record.exists() else None
    return archive if archive is not None and archive.exists() else None


def switch_version(
    api: Api, archive: Path, model: str, version: str, settings: Settings, users: Sequence[int] = ()
) -> None:
    """Make TorchServe serve one version of a model and remove its other versions.

    The new version becomes the default after its workers have passed the warm-up (`archive/warm_up.py`) and each of
    `users` has got a personal answer from it. Then the others finish the requests that they have accepted, and are
    removed. A repeated call asks again and changes nothing.

    Args:
        api: the running TorchServe.
        archive: in its model store; TorchServe finds it by its file name.
        model: name to serve under.
        version: the archive's.
        settings: how many workers, and how they batch.
        users: ids of users with features in the online store.

    Raises:
        TorchServeError: not reachable, or the archive was refused, with the worker's last error; the versions served
            before go on serving.
    """
    was_serving = _is_serving(api, model, version, archive.name)
    log = ModelLog.from_now(api.keys)
    try:
        if not was_serving:
            _unregister_if_there(api, model, version)  # left over from a start that failed
            api.register(
                archive.name,
                workers=settings.torchserve_workers,
                batch_size=settings.torchserve_batch_size,
                max_batch_delay_ms=settings.torchserve_batch_delay_ms,
                timeout=START_SECONDS,
            )
        _ask(api, model, version, users)  # also one that is up: the call that started it may have been killed
    except TorchServeError as error:
        if not was_serving:
            _unregister_if_there(api, model, version)
        cause = log.last_error() or f"the cause is in TorchServe's {log.path.name}"
        raise TorchServeError(f"{archive.name} was not rolled out. {error}: {cause}", error.status) from None
    api.set_default(model, version)
    for old in set(api.versions(model)) - {version}:
        _drain(api, model, old)
        api.unregister(model, old)


def _ask(api: Api, model: str, version: str, users: Sequence[int]) -> None:
    """Ask a new version for users with features in the store, and for nobody in particular."""
    api.predict(model, {"liked": []}, version, timeout=START_SECONDS)
    for user in users:
        policy = api.predict(model, {"user_id": user, "include_seen": True}, version)["policy"]
        if policy != "personal":
            raise TorchServeError(f"the online store knows user {user}, but the answer to them is {policy}")


def _is_serving(api: Api, model: str, version: str, archive: str) -> bool:
    found = api.versions(model).get(version)
    if found is None or found["modelUrl"] != archive:
        return False
    return any(worker["status"] == "READY" for worker in found["workers"])


def _unregister_if_there(api: Api, model: str, version: str) -> None:
    """Remove what a start that failed or was killed left registered; it never was the default beside another one."""
    if version in api.versions(model):
        api.unregister(model, version)


def _drain(api: Api, model: str, version: str) -> None:
    """Wait until a version that is no longer the default has answered the requests that it accepted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.5)  # also covers the batch that a worker is computing, which no queue counts
        if not api.versions(model)[version]["jobQueueStatus"]["pendingRequests"]:
            return
