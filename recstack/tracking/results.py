"""Logs the results of a training and of an evaluation to MLflow."""

from pathlib import Path

from recstack.evaluation.report.plots import plot_learning_curve, write_png
from recstack.evaluation.report.report import Report
from recstack.features import spec
from recstack.tracking.tracker import Run
from recstack.training.experiment import Experiment
from recstack.training.files import TRAINING
from recstack.training.train import Trained


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
    for epoch in trained.epochs:
        run.metrics(epoch.metrics, step=epoch.number)
    if len(trained.validation):
        run.metrics({"validation_ndcg@10_best": float(trained.validation.mean())})
    if trained.epochs:
        write_png(plot_learning_curve([epoch.metrics for epoch in trained.epochs]), folder / "learning_curve.png")
        run.file(folder / "learning_curve.png", "plots")
    run.file(folder / TRAINING)


def record_evaluation(run: Run, folder: Path, report: Report, name: str) -> None:
    """Log an evaluation to the run of model `name`: test metrics of it and of every other model, and the report."""
    for model, metrics in report.models.items():
        prefix = "test_" if model == name else f"{model}/test_"
        run.metrics({f"{prefix}{metric}": estimate.mean for metric, estimate in metrics.items()})
    run.files(folder, "evaluation")
