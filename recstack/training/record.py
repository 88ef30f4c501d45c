"""What of an experiment goes into its files and into MLflow, and when a new model becomes the champion."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recstack.archive.bundle import Bundle, BundleError
from recstack.evaluation.bootstrap import difference, intervals
from recstack.evaluation.page import page
from recstack.evaluation.plots import coverage, decile_recall, learning_curve, write_png
from recstack.evaluation.report import Report
from recstack.features import spec
from recstack.models.base import Progress
from recstack.storage.lake import Build, opened
from recstack.training.experiment import Experiment
from recstack.training.tracking import DECISION, Run, Tracker, Version
from recstack.training.train import Trained

VALIDATION = "validation.npy"
TRAINING = "training.json"


def write_training(folder: Path, trained: Trained, experiment: Experiment, run: Run) -> dict[str, Any]:
    """Write the learning curve and the validation figures of each user; returns facts for the manifest."""
    np.save(folder / VALIDATION, trained.validation)
    curve = [asdict(progress) for progress in trained.epochs]
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


def read_curve(folder: Path) -> list[Progress]:
    """The learning curve that `write_training` wrote."""
    return [Progress(**epoch) for epoch in json.loads((folder / TRAINING).read_text())["epochs"]]


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
    for progress in trained.epochs:
        run.metrics(progress.metrics, step=progress.epoch)
    if len(trained.validation):
        run.metrics({"validation_ndcg@10_best": float(trained.validation.mean())})
    if trained.epochs:
        write_png(learning_curve([progress.metrics for progress in trained.epochs]), folder / "learning_curve.png")
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


def register_model(tracker: Tracker, trained: Build, report: Path, archive: Path) -> tuple[Path, str]:
    """Register a trained model once, and let it become champion if it deserves to.

    Args:
        tracker: the experiment's.
        trained: what the flow `train` published.
        report: folder of its evaluation.
        archive: its `.mar` file.

    Returns:
        The archive of the champion, which is the one to serve, and what was decided in words.
    """
    run_id = str(trained.manifest["run_id"])
    version = tracker.registered(run_id)
    if version is None:
        with tracker.resume(run_id) as run:
            run.file(archive, "archive")
            model = run.model(trained.path / "bundle")
        tags = {
            "archive": str(archive),
            "trained": str(trained.path),
            "report": str(report),
            "data": str(trained.manifest["data"]),
        }
        version = tracker.register(model, tags)
    if DECISION not in version.tags:  # new, or a run was killed before it could decide
        promoted, reason = verdict(trained, tracker.champion())
        tracker.decide(version, promoted, reason)
    champion = tracker.champion()
    if champion is None or champion.number == version.number:
        return archive, f"version {version.number} is champion"
    return Path(champion.tags["archive"]), f"version {version.number} is not better; champion stays {champion.number}"


def verdict(challenger: Build, champion: Version | None) -> tuple[bool, str]:
    """Whether a model takes over, and why.

    On the same data the validation users are the same, and the paired 95 % interval of the difference must lie above
    zero. On other data nothing can be paired: newer data win unless the model is worse beyond noise.
    """
    ours = np.load(challenger.path / VALIDATION)
    if champion is None:
        return True, f"first model; validation NDCG@10 {ours.mean():.4f}" if len(ours) else "first model"
    if not Path(champion.tags["archive"]).exists():
        return True, f"the archive of champion {champion.number} is gone: {champion.tags['archive']}"
    try:
        bundle = Bundle.read(Path(champion.tags["trained"]) / "bundle")
        bundle.model(bundle.encoder.items(bundle.items))
    except BundleError as error:
        return True, f"champion {champion.number} can't be served any more: {error}"
    theirs = np.load(opened(Path(champion.tags["trained"])).path / VALIDATION)
    if not len(ours) or not len(theirs):
        return True, f"champion {champion.number} and this model have no validation users to compare on"
    if champion.tags["data"] == challenger.manifest["data"]:
        gain = difference(ours, theirs)
        interval = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over champion {champion.number}"
        return gain.above_zero, f"validation NDCG@10 {ours.mean():.4f}, paired difference {interval}"
    mine, other = intervals(ours[:, None])[0], intervals(theirs[:, None])[0]
    reason = (
        f"other data than champion {champion.number}, so not paired: validation NDCG@10 {mine.mean:.4f} "
        f"[{mine.low:.4f}, {mine.high:.4f}] against {other.mean:.4f} [{other.low:.4f}, {other.high:.4f}]"
    )
    return mine.high >= other.low, reason
