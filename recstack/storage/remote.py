"""The object store as remote copy of the lake: published versions are uploaded, missing ones downloaded."""

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from recstack.storage.folders import FolderNotFound, ObjectStore, Transfer
from recstack.storage.lake import MANIFEST, NO_REMOTE, Remote, point_to

ARCHIVE = ".mar"


class ObjectStoreRemote(Remote):
    """Stores versions as `<dataset>/<output>/<version>` and archives as `<dataset>/archives/<file>`.

    Every method raises ObjectStoreError if a transfer fails; the same call again continues it.
    """

    def __init__(self, store: ObjectStore, dataset: str):
        """Use the part of `store` that belongs to a dataset."""
        self.object_store = store
        self.dataset = dataset

    def fetch(self, path: Path) -> None:
        """Pull a version or an archive, unless it is here or the store lacks it."""
        if not path.exists():
            self.pull(path)

    def fetch_current(self, root: Path) -> None:
        """Pull the store's current version and make it current here: another machine may have published it."""
        version = self.object_store.current(f"{self.dataset}/{root.name}")
        if version is not None:
            self.fetch(root / version)
            point_to(root / version)

    def store(self, path: Path) -> None:
        """Push a version or an archive, unless the store has it; a version becomes the store's current one."""
        self.push(path)
        if path.is_dir():
            self.object_store.point_to(f"{self.dataset}/{path.parent.name}", path.name)

    def versions(self, root: Path) -> list[str]:
        """Names of all versions of `root` in the store, also of those whose upload did not finish."""
        return self.object_store.folders(f"{self.dataset}/{root.name}")

    def manifest(self, path: Path) -> Mapping[str, Any] | None:
        """The manifest of a version in the store, without the rest; None if the store lacks it."""
        text = self.object_store.read(self._name(path), MANIFEST)
        return None if text is None else json.loads(text)

    def remove(self, path: Path) -> bool:
        """Remove a version from the store; returns whether anything was there."""
        return self.object_store.remove(self._name(path))

    def push(self, path: Path) -> Transfer | None:
        """Upload a version or an archive; None if the store has it."""
        name = self._name(path)
        if self.object_store.contents(name) is not None:
            return None
        return (
            self.object_store.push(path, name) if path.is_dir() else self.object_store.push(path.parent, name, [path])
        )

    def pull(self, path: Path) -> Transfer | None:
        """Download a version or an archive; None if the store lacks it."""
        try:
            if path.suffix != ARCHIVE:
                return self.object_store.pull(self._name(path), path)
            folder = path.with_suffix(".pulled")  # TorchServe wants its archives as files side by side
            moved = self.object_store.pull(self._name(path), folder)
        except FolderNotFound:
            return None
        os.replace(folder / path.name, path)
        folder.rmdir()
        return moved

    def _name(self, path: Path) -> str:
        output = "archives" if path.suffix == ARCHIVE else path.parent.name
        return str(PurePosixPath(self.dataset, output, path.name))


def remote_of(address: str | None, endpoint: str | None, dataset: str) -> Remote:
    """The part of an object store that belongs to a dataset; without an address, a remote that does nothing."""
    return NO_REMOTE if address is None else ObjectStoreRemote(ObjectStore(address, endpoint), dataset)
