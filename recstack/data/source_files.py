"""Copies the source files of a dataset to the object store and back."""

from pathlib import Path

from recstack.data.adapters.base import configure
from recstack.errors import DataError
from recstack.storage.folders import ObjectStore, Transfer
from recstack.storage.lake import digest


def push_source(store: ObjectStore, dataset: str, data: Path) -> Transfer:
    """Push the files that the adapter reads, and nothing else of their folder.

    Raises:
        DataError: a file is missing or empty, or the adapter reads none.
        ObjectStoreError: see `ObjectStore.push`.
    """
    files = configure(dataset, {}).require_files(data)
    if not files:
        raise DataError(f"{dataset} has no source files: there is nothing to push")
    return store.push(data, _name(dataset), files)


def pull_source(store: ObjectStore, dataset: str, folder: Path | None, downloads: Path) -> tuple[Path, Transfer]:
    """Pull the files that the adapter reads.

    Args:
        store: holds them.
        dataset: name of the adapter.
        folder: absent or empty; by default one in `downloads` that is named by the contents, so that newer files
            never replace files in use.
        downloads: folder for all datasets.

    Returns:
        The folder, and what was transferred.

    Raises:
        FolderNotFound: they were never pushed.
        ObjectStoreError: see `ObjectStore.pull`.
    """
    configure(dataset, {})  # a wrong name is an error that lists the right ones
    folder = folder or downloads / dataset / digest(store.contents(_name(dataset)))
    return folder, store.pull(_name(dataset), folder)


def _name(dataset: str) -> str:
    return f"{dataset}/source"
