"""The model that TorchServe serves now: requests to it, its published files, and a user that it knows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recstack import columns as c
from recstack.archive.bundle import MANIFEST
from recstack.release.rollout import MODEL_NAME
from recstack.settings import Settings
from recstack.storage.lake import Build, current, opened
from recstack.torchserve.server import server_of


def recommend(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to `POST /predictions/recstack`, with the token of the key file; returns the answer.

    Raises:
        TorchServeError: TorchServe is not up, or the request is bad.
    """
    answer: dict[str, Any] = server_of(settings).api.predict(MODEL_NAME, dict(request))
    return answer


def served_model(settings: Settings) -> Build:
    """The published model whose version TorchServe answers with.

    Raises:
        TorchServeError: TorchServe is not up, or serves no model.
        FileNotFoundError: the model is not in this machine's lake.
    """
    return opened(settings.lake / "models" / server_of(settings).api.default_version(MODEL_NAME))


def training_features(model: Build) -> Path:
    """Folder of the feature tables that a published model was trained on."""
    return Path(model.path.parents[1] / "features" / model.manifest["inputs"]["features"])


def served_generation(model: Build) -> str:
    """The generation of feature rows that a published model reads."""
    bundle = json.loads((model.path / "bundle" / MANIFEST).read_text())
    return str(bundle["facts"]["generation"])


def most_active_user(model: Build) -> int:
    """The user with the most interactions in the feature tables of a model; the smallest id among equals.

    Where these tables were removed, to forget a user, the current ones of the lake count.
    """
    features = training_features(model)
    if not features.exists():
        features = current(features.parent).path
    table = pq.read_table(features / "interactions", columns=[c.USER_ID])
    counts = table[c.USER_ID].value_counts().to_pylist()
    return int(max(counts, key=lambda row: (row["counts"], -row["values"]))["values"])
