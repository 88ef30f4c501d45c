"""Moves to and from the object store as Prefect tasks: seen on its page, and done again while the store is down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows.console import say
from recstack.data.source_files import pull_source
from recstack.settings import Settings
from recstack.storage.folders import FolderNotFound, ObjectStore, Transfer
from recstack.storage.lake import NO_REMOTE, Remote
from recstack.storage.remote import ObjectStoreRemote
from recstack.storage.s3 import StoreUnreachable

P = ParamSpec("P")
T = TypeVar("T")


def remote_of(settings: Settings) -> Remote:
    """The object store of the settings; where none is set, nothing is kept elsewhere."""
    return NO_REMOTE if settings.object_store is None else PrefectRemote(_store(settings), settings.dataset)


class PrefectRemote(ObjectStoreRemote):
    """Says what it moves."""

    def push(self, path: Path) -> Transfer | None:
        """A task."""
        moved = patiently("push", super().push, path)
        if moved is not None:
            say("push", str(moved), moved.seconds, f"{self.object_store.address}/{self._name(path)}")
        return moved

    def pull(self, path: Path) -> Transfer | None:
        """A task."""
        moved = patiently("pull", super().pull, path)
        if moved is not None:
            say("pull", str(moved), moved.seconds, path)
        return moved


def fetch_source(settings: Settings) -> Path | None:
    """The dataset's source files from the object store; None if it has none, or no store is set."""
    found = None if settings.object_store is None else patiently("pull", _source, settings)
    if found is None:
        return None
    folder, moved = found
    say("pull", str(moved), moved.seconds, folder)
    return folder


def patiently(name: str, move: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run as a task that is tried again while the store does not answer; wrong keys stay wrong."""
    as_task = task(
        name=name, retries=3, retry_delay_seconds=[1, 5, 20], retry_condition_fn=_may_pass, cache_policy=NO_CACHE
    )
    return as_task(move)(*arguments, **options)


def _may_pass(step: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), StoreUnreachable)


def _source(settings: Settings) -> tuple[Path, Transfer] | None:
    try:
        return pull_source(_store(settings), settings.dataset, None, settings.downloads)
    except FolderNotFound:
        return None


def _store(settings: Settings) -> ObjectStore:
    return ObjectStore(settings.object_store, settings.object_store_endpoint)
