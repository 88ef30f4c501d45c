"""Atomic, versioned outputs: a folder is either absent or whole, and is built once for the same inputs."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from recstack import __version__
from recstack.errors import UserError

MANIFEST = "manifest.json"
CURRENT = "CURRENT"


@dataclass(frozen=True)
class Build:
    """One published version of an output. `fresh` is False when it stood there already."""

    path: Path
    manifest: Mapping[str, Any]
    fresh: bool


class Remote:
    """A second home of what is published, such as an object store; this one keeps nothing."""

    def fetch(self, path: Path) -> None:
        """Put a published version where it belongs, if the remote has it and this machine has not."""

    def fetch_current(self, root: Path) -> None:
        """Make the version of `root` that the remote calls current the current one here."""

    def store(self, path: Path) -> None:
        """Keep a published version, and that it is the current one."""


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


@cache
def code_version() -> str:
    """The package's version and a digest of its sources, so that changed code never reuses an old output."""
    root = Path(__file__).parent.parent
    sources = sorted(root.rglob("*.py"))
    return f"{__version__}+{digest([[str(p.relative_to(root)), p.read_text()] for p in sources])}"


def version_of(inputs: Mapping[str, Any]) -> str:
    """The version under which `build_once` publishes these inputs with this code."""
    return digest({**inputs, "code_version": code_version()})


def build_once(
    root: Path, inputs: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]], remote: Remote = NO_REMOTE
) -> Build:
    """Publish `root/<version>/` where version is the digest of `inputs` and of the code.

    Args:
        root: folder of all versions of this output.
        inputs: everything that determines the output; stored in the manifest.
        build: writes the output into the empty folder it is given and returns facts for the manifest
            (row counts, schema). If it raises, nothing is published.
        remote: asked for the version before it is built, and told of it at last.

    Returns:
        The published version; when it existed already, `build` is not called.
    """
    target = root / version_of(inputs)
    remote.fetch(target)
    fresh = not (target / MANIFEST).exists()
    if fresh:
        _publish(target, {**inputs, "code_version": code_version()}, build)
    point_to(target)
    remote.store(target)
    return replace(opened(target), fresh=fresh)


def _publish(target: Path, inputs: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> None:
    root = target.parent
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
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
        FileNotFoundError: it was never published whole.
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
    """Say before a long computation, and not after it, that its result can't be written to this file.

    Raises:
        UserError: the folder is missing or closed to writing, or something that is no file has this name.
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


def _sweep(root: Path) -> None:
    """Remove drafts whose process is gone (killed in the middle)."""
    for draft in root.glob(".draft-*"):
        owner = int(draft.name.rsplit("-", 1)[1])
        if not Path(f"/proc/{owner}").exists() or owner == os.getpid():
            shutil.rmtree(draft, ignore_errors=True)
