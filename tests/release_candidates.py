"""A published candidate of the tiny catalogue."""

import json
from pathlib import Path

import numpy as np
import tiny_catalogue as tiny

from recstack.archive.bundle import Facts, write_bundle
from recstack.storage.lake import MANIFEST, Build, opened

MEDIOCRE = np.linspace(0.0, 0.6, 200)
"""NDCG@10 of 200 test users, 0.3 on average."""


def published(folder: Path, data: str = "same", run_id: str = "run") -> Build:
    """A trained model as the flow publishes it."""
    (folder / "bundle").mkdir(parents=True)
    facts = Facts(
        model_version=folder.name,
        dataset="tiny",
        generation="00000000",
        timed=True,
        scale=tiny.SCALE,
        config={},
        data_fingerprint=data,
        run_id=run_id,
    )
    write_bundle(folder / "bundle", tiny.model(), tiny.encoder(), tiny.titles(), tiny.items(), facts)
    (folder / MANIFEST).write_text(json.dumps({"data": data, "run_id": run_id}))
    return opened(folder)
