"""Versioned outputs: a folder is either absent or complete, and is built once for the same inputs and code."""

import errno
import hashlib
import json
import os
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

MANIFEST = "manifest.json"
CURRENT = "CURRENT"


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
        The published version; if it existed already, `build` is not called.
    """
    target = root / version_of(inputs, made_by)
    remote.fetch(target)
    fresh = not (target / MANIFEST).exists()
    if fresh:
        _publish(target, _with_code(inputs, made_by), build)
    point_to(target)
    remote.store(target)
    return replace(opened(target), fresh=fresh)


def _with_code(inputs: Mapping[str, Any], made_by: Sequence[str]) -> dict[str, Any]:
    return {**inputs, "code_version": code_version(made_by)}


def _publish(target: Path, inputs: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> None:
    root = target.parent
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    draft = root / f".draft-{target.name}-{os.getpid()}"
    draft.mkdir()
    try:
        start = time.monotonic()
        facts = build(draft)
        manifest = {
            "version": target.name,
            "inputs": inputs,
            **facts,
            "seconds": round(time.monotonic() - start, 2),
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, default=str))
        try:
            draft.rename(target)
        except OSError:
            if not (target / MANIFEST).exists():  # anything but "another process published it first"
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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
    """
    pointer = root / CURRENT
    if not pointer.exists():
        raise FileNotFoundError(f"nothing was built yet in {root}; run the pipeline first (make demo)")
    return opened(root / pointer.read_text().strip())


def versions(root: Path) -> list[Build]:
    """All published versions of `root` on this machine, by name."""
    return [opened(path.parent) for path in sorted(root.glob(f"[!.]*/{MANIFEST}"))]


def remove(path: Path) -> None:
    """Remove a version: a reader finds all of it or nothing, and a killed removal is completed by the next one."""
    sweep(path.parent)
    if path.exists():
        path.rename(path.parent / f".draft-{path.name}-{os.getpid()}")
        sweep(path.parent)


def write_atomically(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace a file in one step: a reader sees the old text or the new one.

    Args:
        path: the file.
        text: its new content.
        mode: permissions from the first byte on; the umask of the process narrows them.
    """
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)  # a draft left by a killed process would keep its own permissions
    with open(draft, "x", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(text)
    os.replace(draft, path)


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


def sweep(root: Path) -> None:
    """Remove drafts of processes that were killed."""
    for draft in root.glob(".draft-*"):
        owner = int(draft.name.rsplit("-", 1)[1])
        if not Path(f"/proc/{owner}").exists() or owner == os.getpid():
            shutil.rmtree(draft, ignore_errors=True)
