"""Packs a bundle and the handler into the `.mar` file that TorchServe loads."""

import os
import re
import shutil
from pathlib import Path

from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils


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
    """
    target = store / archive_name(model_name, version)
    draft = store / f".draft-{target.name}"
    shutil.rmtree(draft, ignore_errors=True)  # of a build that was killed
    try:
        # Staged here, because the archiver's command line deletes and fills <temporary folder>/<model name>.
        stage = shutil.copytree(bundle, draft / "stage")
        shutil.copy(handler, stage)
        config = ModelArchiverConfig(model_name=model_name, handler=str(handler), version=version)
        ModelExportUtils.archive(str(draft), model_name, str(stage), ModelExportUtils.generate_manifest_json(config))
        os.replace(draft / f"{model_name}.mar", target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
