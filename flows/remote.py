"""Transfers to and from the object store as Prefect tasks, so that its page shows them."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.console import say
from recstack.data.source_files import pull_source
from recstack.settings import Settings
from recstack.storage.folders import FolderNotFound, ObjectStore, Transfer
from recstack.storage.lake import NO_REMOTE, Remote
from recstack.storage.remote import ObjectStoreRemote


def remote_of(settings: Settings) -> Remote:
    """The object store of the settings; without one, a remote that does nothing."""
    if settings.object_store is None:
        return NO_REMOTE
    return PrefectRemote(ObjectStore(settings.object_store, settings.object_store_endpoint), settings.dataset)


class PrefectRemote(ObjectStoreRemote):
    """Transfers as tasks, with one printed line each."""

    def push(self, path: Path) -> Transfer | None:
        """A task."""
        moved = _push(self, path)
        if moved is not None:
            say("push", str(moved), moved.seconds, f"{self.object_store.address}/{self._name(path)}")
        return moved

    def pull(self, path: Path) -> Transfer | None:
        """A task."""
        moved = _pull(self, path)
        if moved is not None:
            say("pull", str(moved), moved.seconds, path)
        return moved


@task(name="push", cache_policy=NO_CACHE)
def _push(remote: ObjectStoreRemote, path: Path) -> Transfer | None:
    return ObjectStoreRemote.push(remote, path)


@task(name="pull", cache_policy=NO_CACHE)
def _pull(remote: ObjectStoreRemote, path: Path) -> Transfer | None:
    return ObjectStoreRemote.pull(remote, path)


def fetch_source(settings: Settings) -> Path | None:
    """The folder of the dataset's source files from the object store; None if it has none, or no store is set."""
    found = None if settings.object_store is None else _pull_source(settings)
    if found is None:
        return None
    folder, moved = found
    say("pull", str(moved), moved.seconds, folder)
    return folder


@task(name="pull", cache_policy=NO_CACHE)
def _pull_source(settings: Settings) -> tuple[Path, Transfer] | None:
    store = ObjectStore(settings.object_store, settings.object_store_endpoint)
    try:
        return pull_source(store, settings.dataset, None, settings.downloads)
    except FolderNotFound:
        return None
