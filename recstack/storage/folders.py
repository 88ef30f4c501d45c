"""Folders to the object store and back: a folder is complete or absent, and an interrupted transfer is continued."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from recstack.progress import track, working
from recstack.storage.lake import MANIFEST, file_digest
from recstack.storage.locks import locked_folder
from recstack.storage.s3 import ATTEMPTS, Bucket, Count, ObjectStoreError

FILES_AT_ONCE = 4
_MEGABYTE = 10**6

Contents = Mapping[str, Mapping[str, Any]]
"""Size in bytes and sha256 of each file of a folder, by its name in the folder."""


class FolderNotFound(ObjectStoreError):
    """The store has no such folder, or its upload did not finish."""


@dataclass(frozen=True)
class Transfer:
    """A finished push or pull: `moved` of the `files` were missing at its target; `size` is that of all, in bytes."""

    files: int
    size: int
    moved: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.files} files, {self.size / 1e6:.1f} MB ({self.files - self.moved} were there)"


class ObjectStore:
    """Folders under `s3://bucket/prefix`.

    A folder `name` is stored as one object `name/<start of sha256>/<file>` for each file, and `name/manifest.json`,
    which is written last. No object is ever replaced by other contents, so an older manifest stays valid.
    """

    def __init__(self, address: str | None, endpoint: str | None = None, attempts: int = ATTEMPTS) -> None:
        """Connects to nothing yet.

        Args:
            address: `s3://bucket` or `s3://bucket/prefix`.
            endpoint: URL of an S3-compatible server; AWS if None. boto3 finds the keys, in its environment variables
                or files.
            attempts: how often a request is made, with growing pauses, before the store counts as unreachable.

        Raises:
            ObjectStoreError: there is no address, or it does not have that form.
        """
        self._bucket = Bucket(address, endpoint, attempts)
        self.address = self._bucket.address

    def contents(self, name: str) -> Contents | None:
        """The files of a folder; None if the store has no complete folder of that name.

        Raises:
            ObjectStoreError: the manifest names files outside of the folder; or see `Bucket`.
        """
        text = self._bucket.read(f"{name}/{MANIFEST}")
        if text is None:
            return None
        contents: Contents = json.loads(text)["files"]
        for file in contents:
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
                raise ObjectStoreError(f"{self.address}/{name}/{MANIFEST} is refused: {file!r} lies outside")
        return contents

    def push(self, folder: Path, name: str, files: Sequence[Path] | None = None) -> Transfer:
        """Upload the files that the store lacks, then the manifest.

        Args:
            folder: the local folder; nothing may write into it meanwhile.
            name: of the folder in the store.
            files: files and folders inside `folder` to upload; by default all.

        Raises:
            ObjectStoreError: there are no files; or see `Bucket`.
        """
        start = time.monotonic()
        contents = _contents(folder, files or [folder])
        if not contents:
            raise ObjectStoreError(f"there are no files in {folder} to push")
        there = self._bucket.sizes(name)
        missing = [file for file, entry in contents.items() if there.get(_key(name, file, entry)) != entry["size"]]

        def upload(file: str, count: Count) -> None:
            self._bucket.upload(folder / file, _key(name, file, contents[file]), count)

        _move(f"push {name}", upload, missing, contents)
        manifest = json.dumps({"files": contents}, indent=2, sort_keys=True)
        if self._bucket.read(f"{name}/{MANIFEST}") != manifest:
            self._bucket.write(f"{name}/{MANIFEST}", manifest)
        return _transfer(contents, missing, start)

    def pull(self, name: str, folder: Path) -> Transfer:
        """Download into a hidden folder, verify the checksums, and rename it to `folder`.

        Args:
            name: of the folder in the store.
            folder: the target: absent, empty, or with these files in it already. Its parents are created.

        Raises:
            FolderNotFound: the store has no such folder.
            ObjectStoreError: `folder` has other files, or an object is damaged; or see `Bucket`. The hidden folder
                keeps the files that were downloaded, and the next pull continues there.
        """
        start = time.monotonic()
        folder = folder.absolute()
        contents = self.contents(name)
        if contents is None:
            raise FolderNotFound(f"{self.address}/{name} is not there, or its push did not finish: push it first")
        if folder.exists() and any(folder.iterdir()):
            if _contents(folder, [folder]) != contents:
                raise ObjectStoreError(f"{folder} has other files in it than {self.address}/{name}: move it away first")
            return _transfer(contents, [], start)
        draft = folder.with_name(f".pull-{folder.name}")
        with locked_folder(draft):
            if folder.exists() and any(folder.iterdir()):  # another process finished this pull meanwhile
                draft.rmdir()
                return self.pull(name, folder)
            missing = [file for file, entry in contents.items() if not _is(draft / file, entry)]

            def download(file: str, count: Count) -> None:
                self._download(_key(name, file, contents[file]), draft / file, contents[file], count)

            _move(f"pull {name}", download, missing, contents)
            for path in draft.rglob("*"):
                if path.is_file() and path.relative_to(draft).as_posix() not in contents:
                    path.unlink()  # an incomplete file of a process that was killed
            draft.rename(folder)
        return _transfer(contents, missing, start)

    def read(self, name: str, file: str) -> str | None:
        """Text of one file of a folder; None if the store has no complete folder of that name, or no such file in it.

        Raises:
            ObjectStoreError: see `contents`.
        """
        entry = (self.contents(name) or {}).get(file)
        return None if entry is None else self._bucket.read(_key(name, file, entry))

    def folders(self, name: str) -> list[str]:
        """Names of all folders in `name`, also of those whose upload did not finish."""
        files = [file.removeprefix(f"{name}/") for file in self._bucket.sizes(name)]
        return sorted({file.partition("/")[0] for file in files if "/" in file})

    def remove(self, name: str) -> bool:
        """Remove a folder, its manifest first: a removal that was interrupted leaves no complete folder.

        Returns:
            Whether anything was there.
        """
        files = sorted(self._bucket.sizes(name), key=lambda file: file != f"{name}/{MANIFEST}")
        for file in track(files, f"remove {name}", unit="file"):
            self._bucket.delete(file)
        return bool(files)

    def current(self, name: str) -> str | None:
        """The version that `point_to` wrote last for this name; None if there is none."""
        return self._bucket.read(f"{name}/CURRENT")

    def point_to(self, name: str, version: str) -> None:
        """Make one of the folders in `name` its current version."""
        self._bucket.write(f"{name}/CURRENT", version)

    def _download(self, key: str, file: Path, entry: Mapping[str, Any], count: Count) -> None:
        self._bucket.download(key, file, count)
        if not _is(file, entry):
            file.unlink()
            raise ObjectStoreError(
                f"{self.address}/{key} does not have the checksum of its manifest, and is not used: "
                "delete this object and push its folder again"
            )


def _key(name: str, file: str, entry: Mapping[str, Any]) -> str:
    return f"{name}/{entry['sha256'][:16]}/{file}"


def _contents(folder: Path, roots: Sequence[Path]) -> dict[str, dict[str, Any]]:
    paths = sorted(path for root in roots for path in ([root] if root.is_file() else root.rglob("*")))
    return {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": file_digest(path)}
        for path in paths
        if path.is_file()
    }


def _is(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == entry["size"] and file_digest(path) == entry["sha256"]


def _move(title: str, move: Callable[[str, Count], None], files: Sequence[str], contents: Contents) -> None:
    """Move several files at a time; after the first error no further file begins."""
    size = sum(contents[file]["size"] for file in files)
    counts: list[int] = []  # a retry counts its bytes again

    def measure() -> tuple[int, int]:
        return min(sum(counts), size) // _MEGABYTE, size // _MEGABYTE

    with working(title, unit="megabyte", measure=measure), ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        list(pool.map(lambda file: move(file, counts.append), files))


def _transfer(contents: Contents, missing: Sequence[str], start: float) -> Transfer:
    size = sum(entry["size"] for entry in contents.values())
    return Transfer(len(contents), size, len(missing), time.monotonic() - start)
