"""The object store as second home of the lake: what is published goes there, what a machine lacks comes from there."""

import os
from pathlib import Path, PurePosixPath

from recstack.storage.folders import FolderNotFound, ObjectStore, Transfer
from recstack.storage.lake import Remote, point_to

ARCHIVE = ".mar"


class ObjectStoreRemote(Remote):
    """Keeps versions as `<dataset>/<output>/<version>` and archives as `<dataset>/archives/<file>`.

    Every method raises ObjectStoreError where something can't be moved; the same call again goes on.
    """

    def __init__(self, store: ObjectStore, dataset: str):
        """The part of `store` that belongs to a dataset."""
        self.object_store = store
        self.dataset = dataset

    def fetch(self, path: Path) -> None:
        """Pull a version or an archive that this machine lacks; nothing happens if the store lacks it too."""
        if not path.exists():
            self.pull(path)

    def fetch_current(self, root: Path) -> None:
        """Pull and point to what the store calls current: other workers may have been there since."""
        version = self.object_store.current(f"{self.dataset}/{root.name}")
        if version is not None:
            self.fetch(root / version)
            point_to(root / version)

    def store(self, path: Path) -> None:
        """Push a version or an archive, unless the store has it; a version becomes the current one of its output."""
        self.push(path)
        if path.is_dir():
            self.object_store.point_to(f"{self.dataset}/{path.parent.name}", path.name)

    def push(self, path: Path) -> Transfer | None:
        """The push itself; None if the store has it."""
        name = self._name(path)
        if self.object_store.contents(name) is not None:
            return None
        return (
            self.object_store.push(path, name) if path.is_dir() else self.object_store.push(path.parent, name, [path])
        )

    def pull(self, path: Path) -> Transfer | None:
        """The pull itself; None if the store has it not."""
        try:
            if path.suffix != ARCHIVE:
                return self.object_store.pull(self._name(path), path)
            folder = path.with_suffix(".pulled")  # a model store has its archives side by side
            moved = self.object_store.pull(self._name(path), folder)
        except FolderNotFound:
            return None
        os.replace(folder / path.name, path)
        folder.rmdir()
        return moved

    def _name(self, path: Path) -> str:
        output = "archives" if path.suffix == ARCHIVE else path.parent.name
        return str(PurePosixPath(self.dataset, output, path.name))
