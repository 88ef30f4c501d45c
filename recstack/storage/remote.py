"""The object store as second home of the lake: what is published goes there, what a machine lacks comes from there."""

import os
from pathlib import Path, PurePosixPath

from recstack.storage.folders import NotThere, ObjectStore, Transfer
from recstack.storage.lake import Mirror, point_to

ARCHIVE = ".mar"


class ObjectStoreMirror(Mirror):
    """Keeps versions as `<dataset>/<output>/<version>` and archives as `<dataset>/archives/<file>`.

    Every method raises ObjectStoreError where something can't be moved; the same call again goes on.
    """

    def __init__(self, store: ObjectStore, dataset: str):
        """The part of `store` that belongs to a dataset."""
        self.store = store
        self.dataset = dataset

    def bring(self, path: Path) -> None:
        """Pull a version or an archive that this machine lacks; nothing happens if the store lacks it too."""
        if not path.exists():
            self.pull(path)

    def bring_current(self, root: Path) -> None:
        """Pull and point to what the store calls current: other workers may have been there since."""
        version = self.store.current(f"{self.dataset}/{root.name}")
        if version is not None:
            self.bring(root / version)
            point_to(root / version)

    def keep(self, path: Path) -> None:
        """Push a version or an archive, unless the store has it; a version becomes the current one of its output."""
        self.push(path)
        if path.is_dir():
            self.store.point_to(f"{self.dataset}/{path.parent.name}", path.name)

    def push(self, path: Path) -> Transfer | None:
        """The push itself; None if the store has it."""
        name = self._name(path)
        if self.store.contents(name) is not None:
            return None
        return self.store.push(path, name) if path.is_dir() else self.store.push(path.parent, name, [path])

    def pull(self, path: Path) -> Transfer | None:
        """The pull itself; None if the store has it not."""
        try:
            if path.suffix != ARCHIVE:
                return self.store.pull(self._name(path), path)
            folder = path.with_suffix(".pulled")  # a model store has its archives side by side
            moved = self.store.pull(self._name(path), folder)
        except NotThere:
            return None
        os.replace(folder / path.name, path)
        folder.rmdir()
        return moved

    def _name(self, path: Path) -> str:
        output = "archives" if path.suffix == ARCHIVE else path.parent.name
        return str(PurePosixPath(self.dataset, output, path.name))
