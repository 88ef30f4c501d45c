"""Packs a bundle and the handler into the `.mar` file that TorchServe loads."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from recstack.archive.bundle import MANIFEST, Manifest
from recstack.errors import UserError
from recstack.storage.locks import locked_folder


def archive_name(model_name: str, version: str) -> str:
    """File name of one version, the same on every machine.

    Raises:
        ValueError: name or version would not survive as part of a file name and of a URL.
    """
    for word in (model_name, version):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", word):
            raise ValueError(f"{word!r} must be letters, digits, '.', '_' and '-' only to name an archive")
    return f"{model_name}-{version}.mar"


def build_archive(bundle: Path, handler: Path, store: Path, model_name: str, version: str) -> Path:
    """Build `<store>/<model_name>-<version>.mar` in one step: it is absent, the old one, or whole.

    Args:
        bundle: folder that `write_bundle` wrote.
        handler: the handler file; everything that it imports must be installed where TorchServe runs.
        store: TorchServe's model store; created if missing.
        model_name: under which TorchServe serves it.
        version: shown in the URL of a version.

    Raises:
        FileNotFoundError: there is no such handler.
        UserError: torch-model-archiver failed; the message has its last line.
    """
    if not handler.exists():
        raise FileNotFoundError(f"there is no handler {handler}")
    target = store / archive_name(model_name, version)
    draft = (store / f".draft-{target.name}").absolute()
    with locked_folder(draft):
        try:
            stage = draft / "stage"
            shutil.rmtree(stage, ignore_errors=True)  # of a build that was killed
            stage.mkdir()
            command = [
                str(Path(sys.executable).with_name("torch-model-archiver")),
                *("--model-name", model_name, "--version", version, "--handler", str(handler.absolute())),
                *("--extra-files", ".", "--export-path", str(stage)),
            ]
            # It gathers the files in <temporary folder>/<model name>, which two builds must not share.
            environment = {"TMPDIR": str(stage)}
            done = subprocess.run(command, cwd=bundle, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UserError(f"torch-model-archiver could not pack {bundle}: {done.stderr.strip().splitlines()[-1]}")
            os.replace(stage / f"{model_name}.mar", target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def packed_manifest(archive: Path) -> Manifest:
    """The bundle's manifest inside an archive."""
    with zipfile.ZipFile(archive) as packed:
        return Manifest.model_validate_json(packed.read(MANIFEST))
