"""Finds and removes the versions of the lake that hold forgotten users, on this machine and in the object store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from recstack.data.forgotten import Forgotten
from recstack.erasure.without import numbers_of
from recstack.storage.lake import MANIFEST, Remote, opened, remove, sweep


class OldVersions:
    """The versions of interactions and features of one lake, with the users that each holds."""

    def __init__(self, spark: SparkSession, lake: Path, remote: Remote, forgotten: Forgotten, user: Forgotten) -> None:
        """Look through all versions of the interactions; those that only the object store has are fetched for that.

        Args:
            spark: the session.
            lake: folder of the outputs.
            remote: their copy in the object store.
            forgotten: the whole list.
            user: a list of the user who is forgotten now.
        """
        self._remote, self._interactions, self._features = remote, lake / "interactions", lake / "features"
        self.numbers: dict[str, set[int]] = {}
        """For each version of the interactions the numbers of its forgotten users."""
        self.known = False
        """Whether a version knows the user who is forgotten now."""
        for path in self._all(self._interactions):
            here = path.exists()
            remote.fetch(path)
            if (path / MANIFEST).exists():
                numbers = numbers_of(spark, opened(path), forgotten)
                self.numbers[path.name] = numbers
                self.known = self.known or bool(numbers and numbers_of(spark, opened(path), user))
            if not here and path.exists():
                remove(path)

    def remove(self, keep: set[str]) -> list[str]:
        """Remove all but these that hold a forgotten user, or of which nobody can say whether they do.

        Interactions go last: until then a second call can tell which features belong to them.

        Returns:
            What was removed.
        """
        clean = {name for name, numbers in self.numbers.items() if not numbers}
        removed: list[str] = []
        for path in self._all(self._features):
            if path.name not in keep and self._source(path) not in clean:
                removed += self._remove(path)
        for path in self._all(self._interactions):
            if path.name not in keep and path.name not in clean:
                removed += self._remove(path)
        return removed

    def _all(self, root: Path) -> Iterator[Path]:
        here = [path.name for path in root.glob("[!.]*") if path.is_dir()]
        yield from (root / name for name in sorted({*here, *self._remote.versions(root)}))

    def _source(self, features: Path) -> str | None:
        """The version of the interactions that features were made from; they hold the same users."""
        here = (features / MANIFEST).exists()
        manifest = opened(features).manifest if here else self._remote.manifest(features)
        return None if manifest is None else str(manifest["inputs"]["interactions"])

    def _remove(self, path: Path) -> Iterator[str]:
        name = f"{path.parent.name}/{path.name}"
        if self._remote.remove(path):
            yield f"{name} in the object store"
        shutil.rmtree(path.with_name(f".pull-{path.name}"), ignore_errors=True)  # a download that was interrupted
        if path.exists():
            yield f"{name} in {path.parents[1]}"
        remove(path)


def sweep_drafts(lake: Path) -> None:
    """Remove what killed processes left of interactions and features."""
    for name in ("interactions", "features"):
        if (lake / name).exists():
            sweep(lake / name)
