"""What of a training and of an evaluation goes into files and into MLflow."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recstack.evaluation.report.page import page
from recstack.evaluation.report.plots import coverage, decile_recall, learning_curve, write_png
from recstack.evaluation.report.report import Report
from recstack.features import spec
from recstack.models.base import Epoch
from recstack.tracking.tracker import Run
from recstack.training.experiment import Experiment
from recstack.training.train import Trained

VALIDATION = "validation.npy"
TRAINING = "training.json"


def write_training(folder: Path, trained: Trained, experiment: Experiment, run: Run) -> dict[str, Any]:
    """Write the learning curve and the validation figures of each user; returns facts for the manifest."""
    np.save(folder / VALIDATION, trained.validation)
    curve = [asdict(epoch) for epoch in trained.epochs]
    (folder / TRAINING).write_text(json.dumps({"options": trained.options, "epochs": curve}, indent=2))
    return {
        "data": experiment.fingerprint,
        "label": experiment.label,
        "rows": len(trained.data.item),
        "epochs": len(curve),
        "validation": float(trained.validation.mean()) if len(trained.validation) else None,
        "run_id": run.run_id,
        "run_url": run.url,
    }


def read_curve(folder: Path) -> list[Epoch]:
    """The learning curve that `write_training` wrote."""
    return [Epoch(**epoch) for epoch in json.loads((folder / TRAINING).read_text())["epochs"]]


def record_training(run: Run, folder: Path, trained: Trained, experiment: Experiment) -> None:
    """Parameters, per-epoch curves, data fingerprint, learning curve and the model itself."""
    features = experiment.features
    run.params(
        {"model": trained.model.name, "protocol": experiment.protocol, "label": experiment.label, **trained.options}
    )
    run.tags(
        {
            "feature_schema": spec.schema_digest(),
            "data": experiment.fingerprint,
            "features": features.path.name,
            "interactions": experiment.ingested.path.name,
            "code_version": str(features.manifest["inputs"]["code_version"]),
        }
    )
    run.dataset(experiment.settings.dataset, features.path, experiment.fingerprint)
    for epoch in trained.epochs:
        run.metrics(epoch.metrics, step=epoch.number)
    if len(trained.validation):
        run.metrics({"validation_ndcg@10_best": float(trained.validation.mean())})
    if trained.epochs:
        write_png(learning_curve([epoch.metrics for epoch in trained.epochs]), folder / "learning_curve.png")
        run.file(folder / "learning_curve.png", "plots")
    run.file(folder / TRAINING)


def write_evaluation(folder: Path, report: Report) -> None:
    """Write `report.json`, `table.md`, `report.html` and the plots."""
    (folder / "report.json").write_text(json.dumps(report.to_json(), indent=2))
    (folder / "table.md").write_text(report.table())
    (folder / "report.html").write_text(page(report))
    for name, figure in (("recall_by_decile", decile_recall(report)), ("coverage", coverage(report))):
        if figure is not None:
            write_png(figure, folder / f"{name}.png")


def record_evaluation(run: Run, folder: Path, report: Report, name: str) -> None:
    """Test metrics of the model, and of every baseline under its name; report and plots."""
    for model, metrics in report.models.items():
        prefix = "test_" if model == name else f"{model}/test_"
        run.metrics({f"{prefix}{metric}": estimate.mean for metric, estimate in metrics.items()})
    run.files(folder, "evaluation")
