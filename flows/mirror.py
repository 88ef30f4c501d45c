"""The object store beside the lake: what a step publishes goes there, and what a worker lacks comes from there."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows.console import say
from recstack.lake import NO_MIRROR, Mirror, point_to
from recstack.object_store import NotThere, ObjectStore, Unreachable
from recstack.settings import Settings
from recstack.source_files import pull_source

ARCHIVE = ".mar"
PAUSES = [1, 5, 20]


def mirror_of(settings: Settings) -> Mirror:
    """The object store of the settings, or nothing where none is set."""
    return NO_MIRROR if settings.object_store is None else ObjectStoreMirror(settings)


class ObjectStoreMirror(Mirror):
    """Keeps versions as `<dataset>/<output>/<version>` and archives as `<dataset>/archives/<file>`."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def bring(self, path: Path) -> None:
        """Pull a version or an archive that is not on this machine."""
        if not path.exists():
            pull(self.settings, path)

    def bring_current(self, root: Path) -> None:
        """Pull and point to what the store says is current: other workers may have been there since."""
        version = _store(self.settings).current(f"{self.settings.dataset}/{root.name}")
        if version is not None:
            self.bring(root / version)
            point_to(root / version)

    def keep(self, path: Path) -> None:
        """Push a version or an archive, unless the store has it."""
        push(self.settings, path)


def _may_pass(step: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Wrong keys stay wrong; only a store that does not answer is worth another try."""
    return isinstance(state.result(raise_on_failure=False), Unreachable)


@task(retries=3, retry_delay_seconds=PAUSES, retry_condition_fn=_may_pass)
def push(settings: Settings, path: Path) -> None:
    """Push what was published; a folder of the lake becomes the current one of its output."""
    store, name = _store(settings), _name(settings, path)
    if store.contents(name) is None:
        moved = store.push(path, name) if path.is_dir() else store.push(path.parent, name, [path])
        say("push", str(moved), moved.seconds, f"{store.address}/{name}")
    if path.is_dir():
        store.point_to(str(PurePosixPath(name).parent), path.name)


@task(retries=3, retry_delay_seconds=PAUSES, retry_condition_fn=_may_pass)
def pull(settings: Settings, path: Path) -> None:
    """Pull a version or an archive if the store has it; who needs it says so if it has not."""
    store, name = _store(settings), _name(settings, path)
    is_archive = path.suffix == ARCHIVE
    folder = path.with_suffix(".pulled") if is_archive else path
    try:
        moved = store.pull(name, folder)
    except NotThere:
        return
    if is_archive:  # a model store has its archives side by side
        os.replace(folder / path.name, path)
        folder.rmdir()
    say("pull", str(moved), moved.seconds, path)


@task(retries=3, retry_delay_seconds=PAUSES, retry_condition_fn=_may_pass)
def bring_source(settings: Settings) -> Path | None:
    """The dataset's source files from the object store; None if it has none, or there is no store."""
    if settings.object_store is None:
        return None
    try:
        folder, moved = pull_source(_store(settings), settings.dataset, None, settings.downloads)
    except NotThere:
        return None
    say("pull", str(moved), moved.seconds, folder)
    return folder


def _store(settings: Settings) -> ObjectStore:
    return ObjectStore(settings.object_store, settings.object_store_endpoint)


def _name(settings: Settings, path: Path) -> str:
    output = "archives" if path.suffix == ARCHIVE else path.parent.name
    return f"{settings.dataset}/{output}/{path.name}"
