"""Stores the results of a training as files."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recstack.models.base import Epoch
from recstack.training.experiment import Experiment
from recstack.training.train import Trained

VALIDATION = "validation.npy"
TRAINING = "training.json"


def write_training(folder: Path, trained: Trained, experiment: Experiment) -> dict[str, Any]:
    """Write the learning curve and each validation user's NDCG@10 into `folder`; returns facts for the manifest."""
    np.save(folder / VALIDATION, trained.validation)
    curve = [asdict(epoch) for epoch in trained.epochs]
    (folder / TRAINING).write_text(json.dumps({"options": trained.options, "epochs": curve}, indent=2))
    return {
        "data": experiment.fingerprint,
        "target": experiment.target,
        "rows": len(trained.data.item),
        "epochs": len(curve),
        "validation": float(trained.validation.mean()) if len(trained.validation) else None,
    }


def read_curve(folder: Path) -> list[Epoch]:
    """The learning curve that `write_training` wrote."""
    return [Epoch(**epoch) for epoch in json.loads((folder / TRAINING).read_text())["epochs"]]
