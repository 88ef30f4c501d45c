"""Evaluates a release candidate and baselines on the test part, and publishes the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recstack.archive.bundle import Bundle
from recstack.errors import choose
from recstack.evaluation.report.files import write_report
from recstack.evaluation.staleness import named
from recstack.experiments.compare import compare
from recstack.models import models
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once
from recstack.tracking.results import record_evaluation
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.files import read_curve


def report_candidate(
    experiment: Experiment,
    trained: Build,
    baselines: Sequence[str],
    tracker: Tracker,
    *,
    seeds: int,
    staleness: Sequence[str] | None = None,
    remote: Remote = NO_REMOTE,
) -> Build:
    """Fit the baselines, evaluate, and log to the candidate's MLflow run, unless this report is already published.

    The candidate is the judged model; the served one has learned from the test part.

    Args:
        experiment: the features and the target that the candidate was trained with.
        trained: the candidate, as `release.candidate` published it.
        baselines: models to compare with.
        tracker: where the candidate's run is.
        seeds: fits of each model; the candidate is the first of its own.
        staleness: ages of histories to show side by side, see `compare`.
        remote: remote copy of the published reports.
    """
    inputs = {"trained": trained.path.name, "baselines": list(baselines), "seeds": seeds}
    inputs |= {"staleness": named(staleness, experiment.protocol)}
    model = trained.manifest["inputs"]["model"]
    names = [model, *(name for name in baselines if name != model)]
    made_by = [__name__, *(choose("model", name, models()).__module__ for name in names)]

    def build(draft: Path) -> dict[str, Any]:
        bundle = Bundle.read(trained.path / "judged")
        report = compare(
            experiment,
            names,
            seeds=seeds,
            candidate=bundle,
            candidate_curve=read_curve(trained.path),
            reference=model,
            staleness=staleness,
        )
        write_report(draft, report)
        with tracker.resume(trained.manifest["run_id"]) as run:
            record_evaluation(run, draft, report, model)
        return {"models": names, "protocol": experiment.protocol, "target": experiment.target}

    return build_once(experiment.settings.lake / "reports", inputs, build, made_by=made_by, remote=remote)
