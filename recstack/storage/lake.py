"""Versioned outputs: a folder is either absent or complete, and is built once for the same inputs and code."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from recstack import __version__
from recstack.errors import UserError
from recstack.storage.code_digest import code_digest
from recstack.storage.locks import left_behind, locked_folder

MANIFEST = "manifest.json"
CURRENT = "CURRENT"
DRAFT = ".draft-"


@dataclass(frozen=True)
class Build:
    """One published version of an output. `fresh` is False if it had been published before."""

    path: Path
    manifest: Mapping[str, Any]
    fresh: bool


class Remote:
    """Remote copy of published versions; this base class does nothing."""

    def fetch(self, path: Path) -> None:
        """Download a published version to this path, unless it is here or the remote lacks it."""

    def fetch_current(self, root: Path) -> None:
        """Download the remote's current version of `root` and make it the current one here."""

    def store(self, path: Path) -> None:
        """Upload a published version, unless the remote has it, and make it the remote's current one."""

    def versions(self, root: Path) -> Sequence[str]:
        """Names of all versions of `root` in the remote, also of those whose upload did not finish."""
        return ()

    def manifest(self, path: Path) -> Mapping[str, Any] | None:
        """The manifest of a published version in the remote, without the rest; None if the remote lacks it."""
        return None

    def remove(self, path: Path) -> bool:
        """Remove a version from the remote; returns whether anything was there."""
        return False


NO_REMOTE = Remote()


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's files with their relative names, in hex."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return digest([[str(p.relative_to(path)), file_digest(p)] for p in files])
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_version(made_by: Sequence[str]) -> str:
    """The package's version and the digest of the code that these modules reach, see `code_digest`."""
    return f"{__version__}+{code_digest(*made_by)}"


def version_of(inputs: Mapping[str, Any], made_by: Sequence[str]) -> str:
    """The version under which `build_once` publishes these inputs."""
    return digest(_with_code(inputs, made_by))


def build_once(
    root: Path,
    inputs: Mapping[str, Any],
    build: Callable[[Path], Mapping[str, Any]],
    *,
    made_by: Sequence[str],
    remote: Remote = NO_REMOTE,
) -> Build:
    """Publish `root/<version>/`, where version is the digest of `inputs` and of the code that `made_by` reaches.

    Args:
        root: folder of all versions of this output.
        inputs: everything that determines the output; stored in the manifest.
        build: writes the output into the empty folder it is given and returns facts for the manifest
            (row counts, schema). If it raises, nothing is published.
        made_by: modules whose code makes the output, see `code_digest`.
        remote: checked for the version before it is built; notified after it is published.

    Returns:
        The published version; if it existed already, `build` is not called. If another process is building it, this
        waits and takes what that one publishes.
    """
    target = root / version_of(inputs, made_by)
    remote.fetch(target)
    fresh = not (target / MANIFEST).exists() and _publish(target, _with_code(inputs, made_by), build)
    point_to(target)
    remote.store(target)
    return replace(opened(target), fresh=fresh)


def _with_code(inputs: Mapping[str, Any], made_by: Sequence[str]) -> dict[str, Any]:
    return {**inputs, "code_version": code_version(made_by)}


def _publish(target: Path, inputs: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> bool:
    """Build a version in a locked draft and rename it; False if another process has published it meanwhile."""
    root = target.parent
    root.mkdir(parents=True, exist_ok=True)
    sweep(root, but=target)
    draft = root / f"{DRAFT}{target.name}"
    with locked_folder(draft):
        try:
            if (target / MANIFEST).exists():
                return False
            _empty(draft)  # of what a killed process left
            start = time.monotonic()
            facts = build(draft)
            manifest = {
                "version": target.name,
                "inputs": inputs,
                **facts,
                "seconds": round(time.monotonic() - start, 2),
            }
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, default=str))
            _write_through(draft)
            draft.rename(target)
            _sync(root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return True


def opened(path: Path) -> Build:
    """A published version by its path, as flows hand it from step to step.

    Raises:
        FileNotFoundError: the folder is no published version.
    """
    manifest = path / MANIFEST
    if not manifest.exists():
        raise FileNotFoundError(f"{path} is no published output: it has no {MANIFEST}; run the step that builds it")
    return Build(path, json.loads(manifest.read_text()), fresh=False)


def current(root: Path) -> Build:
    """The version of `root` that was published last.

    Raises:
        FileNotFoundError: nothing was published yet.
        UserError: the version that was published last is gone.
    """
    pointer = root / CURRENT
    if not pointer.exists():
        raise FileNotFoundError(f"nothing was built yet in {root}; run the pipeline first (make demo)")
    name = pointer.read_text().strip()
    if not (root / name / MANIFEST).exists():
        # To go on as if nothing had been built would number ids and genres anew, under models that know the old.
        raise UserError(
            f"{pointer} names the version {name!r}, which is not there: restore that folder, from a backup or the"
            f" object store. If it is lost, remove {pointer}: the next run then numbers ids and genres anew, so remove"
            " the models and the online store that rely on the old numbers too"
        )
    return opened(root / name)


def versions(root: Path) -> list[Build]:
    """All published versions of `root` on this machine, by name."""
    return [opened(path.parent) for path in sorted(root.glob(f"[!.]*/{MANIFEST}"))]


def remove(path: Path) -> None:
    """Remove a version: a reader finds all of it or nothing, and a killed removal is completed by the next one."""
    sweep(path.parent)
    if path.exists():
        path.rename(path.parent / f"{DRAFT}{path.name}")
        sweep(path.parent)


def write_atomically(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace a file in one step: a reader sees the old text or the new one.

    Args:
        path: the file.
        text: its new content.
        mode: permissions from the first byte on; the umask of the process narrows them.
    """
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")  # threads and containers share process numbers
    try:
        with open(draft, "x", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def replace_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """The same for a file that `write` makes, given the path of a draft beside it."""
    draft = path.with_name(f".{secrets.token_hex(8)}-{path.name}")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Check before a long computation that its result can be written to this file.

    Raises:
        UserError: the folder is missing or not writable, or the path is no file.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, "it exists and is no file")
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(
            f"{path} can't be written ({error.strerror}): choose a file in a folder that exists and allows it"
        ) from error


def point_to(path: Path) -> None:
    """Make a published version the current one of its output."""
    write_atomically(opened(path).path.parent / CURRENT, path.name)


def sweep(root: Path, but: Path | None = None) -> None:
    """Remove the drafts that no process holds, because theirs was killed; `but` the draft of this version."""
    for draft in root.glob(f"{DRAFT}*"):
        if but is None or draft.name != f"{DRAFT}{but.name}":
            with left_behind(draft) as dead:
                if dead:
                    shutil.rmtree(draft, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_through(folder: Path) -> None:
    """Have the disk keep a folder as it is, so that a version is whole also after a power failure."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
