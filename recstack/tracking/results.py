"""Stores the results of a training and of an evaluation, as files and in MLflow."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recstack.evaluation.report.markdown import render_markdown
from recstack.evaluation.report.page import render_page
from recstack.evaluation.report.plots import plot_coverage, plot_learning_curve, plot_recall_by_popularity, write_png
from recstack.evaluation.report.report import Report
from recstack.features import spec
from recstack.models.base import Progress
from recstack.tracking.tracker import Run
from recstack.training.experiment import Experiment
from recstack.training.train import Trained

VALIDATION = "validation.npy"
TRAINING = "training.json"


def write_training(folder: Path, trained: Trained, experiment: Experiment, run: Run) -> dict[str, Any]:
    """Write the learning curve and each validation user's NDCG@10 into `folder`; returns facts for the manifest."""
    np.save(folder / VALIDATION, trained.validation)
    curve = [asdict(progress) for progress in trained.epochs]
    (folder / TRAINING).write_text(json.dumps({"options": trained.options, "epochs": curve}, indent=2))
    return {
        "data": experiment.fingerprint,
        "target": experiment.target,
        "rows": len(trained.data.item),
        "epochs": len(curve),
        "validation": float(trained.validation.mean()) if len(trained.validation) else None,
        "run_id": run.run_id,
        "run_url": run.url,
    }


def read_curve(folder: Path) -> list[Progress]:
    """The learning curve that `write_training` wrote."""
    return [Progress(**epoch) for epoch in json.loads((folder / TRAINING).read_text())["epochs"]]


def record_training(run: Run, folder: Path, trained: Trained, experiment: Experiment) -> None:
    """Log a training to its run: parameters, tags, dataset, metrics by epoch, and the files of `write_training`."""
    features = experiment.features
    run.params(
        {"model": trained.model.name, "protocol": experiment.protocol, "target": experiment.target, **trained.options}
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
    for progress in trained.epochs:
        run.metrics(progress.metrics, step=progress.epoch)
    if len(trained.validation):
        run.metrics({"validation_ndcg@10_best": float(trained.validation.mean())})
    if trained.epochs:
        write_png(plot_learning_curve([progress.metrics for progress in trained.epochs]), folder / "learning_curve.png")
        run.file(folder / "learning_curve.png", "plots")
    run.file(folder / TRAINING)


def write_evaluation(folder: Path, report: Report) -> None:
    """Write `report.json`, `table.md`, `report.html` and the plots."""
    (folder / "report.json").write_text(json.dumps(report.to_json(), indent=2))
    (folder / "table.md").write_text(render_markdown(report))
    (folder / "report.html").write_text(render_page(report))
    for name, figure in (("recall_by_decile", plot_recall_by_popularity(report)), ("coverage", plot_coverage(report))):
        if figure is not None:
            write_png(figure, folder / f"{name}.png")


def record_evaluation(run: Run, folder: Path, report: Report, name: str) -> None:
    """Log an evaluation to the run of model `name`: test metrics of it and of every other model, and the report."""
    for model, metrics in report.models.items():
        prefix = "test_" if model == name else f"{model}/test_"
        run.metrics({f"{prefix}{metric}": estimate.mean for metric, estimate in metrics.items()})
    run.files(folder, "evaluation")
