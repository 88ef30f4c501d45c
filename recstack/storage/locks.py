"""Locks between processes, threads and containers that share a volume; they end with their process, however it ends.

`flock` belongs to an open file, so it also holds between two threads, and between containers whose process numbers mean
nothing to each other.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recstack.progress import working


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Create a folder unless it is there, and lock it; waits for the lock.

    The block may rename or remove the folder. Another caller that waits for it then gets a new, empty one.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = _open_folder(folder)
        except FileNotFoundError:
            continue  # its owner has renamed or removed it meanwhile
        try:
            _wait_for(handle, folder)
            if _is_still(handle, folder):
                yield
                return
        finally:
            os.close(handle)


@contextmanager
def left_behind(folder: Path) -> Iterator[bool]:
    """Whether nobody holds the lock of a folder; if so, it is locked within the block."""
    try:
        handle = _open_folder(folder)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield _is_still(handle, folder)
    finally:
        os.close(handle)


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Hold a lock file, which stays there; waits for its other holders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(handle, file)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with working(f"waiting for another run, which holds the lock {path}"):
            fcntl.flock(handle, fcntl.LOCK_EX)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _is_still(handle: int, folder: Path) -> bool:
    """Whether the path still leads to the folder that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False
