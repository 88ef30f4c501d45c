"""The report of a release candidate: its bundle beside baselines, on the test part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recstack.archive.bundle import Bundle
from recstack.experiments.compare import compare
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once
from recstack.tracking.results import read_curve, record_evaluation, write_evaluation
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment


def report_candidate(
    experiment: Experiment,
    trained: Build,
    baselines: Sequence[str],
    tracker: Tracker,
    *,
    seeds: int,
    remote: Remote = NO_REMOTE,
) -> Build:
    """Fit the baselines, rank the test part, and log to the candidate's MLflow run, unless the report stands.

    Args:
        experiment: the features that the candidate was trained on, and what counts as a target.
        trained: the candidate, as `release.candidate` published it.
        baselines: models to compare with.
        tracker: where the candidate's run is.
        seeds: fits of each model; the candidate is the first of its own.
        remote: remote copy of the published reports.
    """
    inputs = {"trained": trained.path.name, "baselines": list(baselines), "seeds": seeds}

    def build(draft: Path) -> dict[str, Any]:
        bundle = Bundle.read(trained.path / "bundle")
        model = bundle.manifest.model
        names = [model, *(name for name in baselines if name != model)]
        learned = read_curve(trained.path)
        report = compare(experiment, names, seeds=seeds, fitted=bundle, learned=learned, champion=model)
        write_evaluation(draft, report)
        with tracker.resume(trained.manifest["run_id"]) as run:
            record_evaluation(run, draft, report, model)
        return {"models": names, "protocol": experiment.protocol, "label": experiment.label}

    return build_once(experiment.settings.lake / "reports", inputs, build, remote)
