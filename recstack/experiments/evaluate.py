"""Entry points of `recstack evaluate` and `recstack tune`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recstack.errors import UserError, choose
from recstack.evaluation.report.report import Report
from recstack.experiments.compare import compare
from recstack.experiments.config import ExperimentConfig
from recstack.experiments.prepare import prepare
from recstack.experiments.tune import TuningResult, tune
from recstack.models import models
from recstack.progress import say
from recstack.settings import Settings
from recstack.storage.lake import write_atomically
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.threads import use_threads


def evaluate_dataset(
    settings: Settings,
    config: ExperimentConfig,
    names: Sequence[str],
    seeds: int,
    *,
    reference: str | None = None,
    tuned: bool = False,
    staleness: Sequence[str] | None = None,
    options: Mapping[str, dict[str, Any]] | None = None,
    ranks: Path | None = None,
) -> Report:
    """Fit models to a dataset and evaluate them on its test part; prints a line per step.

    Args:
        settings: the dataset and where local state lives.
        config: the data, the protocol and the target.
        names: models, or ["all"].
        seeds: fits of each model.
        reference: the model that the others are compared with; None takes the best.
        tuned: whether models get the options that `tune_dataset` found for them; defaults where it found none.
        staleness: ages of histories to show side by side, see `compare`.
        options: by model and name; they win over tuned ones.
        ranks: Parquet file for the rank of every target, see `compare`.

    Raises:
        UserError: unknown dataset, model, option, protocol or target, bad data, or options found on other data.
    """
    chosen = list(models()) if list(names) == ["all"] else list(dict.fromkeys(names))
    for name in chosen:
        choose("model", name, models())
    if reference is not None:
        choose("reference", reference, dict.fromkeys(chosen))
    given = options or {}
    for name, values in given.items():
        models()[name].config_class.read(values, name)  # before minutes of work
    use_threads(settings.threads)
    experiment = prepare(settings, config)
    used = {name: (_tuned_options(experiment, name) if tuned else {}) | given.get(name, {}) for name in chosen}
    for name, values in used.items():
        if tuned or values:
            say(f"{name}: {'options ' + json.dumps(values) if values else 'its defaults'}")
    return compare(experiment, chosen, seeds=seeds, reference=reference, options=used, staleness=staleness, ranks=ranks)


def tune_dataset(
    settings: Settings, config: ExperimentConfig, name: str, *, trials: int, seconds: float
) -> TuningResult:
    """Find a model's options on the validation part and store them for `evaluate_dataset(…, tuned=True)`.

    Args:
        settings: the dataset, and where local state and MLflow live.
        config: the data, the protocol and the target.
        name: the model.
        trials: total number of trials, including earlier calls.
        seconds: no trial starts after this time.

    Raises:
        UserError: unknown dataset, protocol or target, bad data, or a model that has nothing to tune.
    """
    use_threads(settings.threads)
    experiment = prepare(settings, config)
    result = tune(
        experiment,
        name,
        trials=trials,
        seconds=seconds,
        storage=experiment.settings.workspace / "tuned" / "studies.db",
        tracker=Tracker(settings.tracking_uri, settings.dataset, settings.artifacts),
    )
    facts = {**asdict(result), "data": experiment.fingerprint}
    write_atomically(_tuned_file(experiment, name), json.dumps(facts, indent=2))
    return result


def _tuned_options(experiment: Experiment, name: str) -> dict[str, Any]:
    """The options that tuning found for this model; none if it was never tuned."""
    file = _tuned_file(experiment, name)
    if not file.exists():
        return {}
    facts = json.loads(file.read_text())
    if facts["data"] != experiment.fingerprint:
        raise UserError(f"{name} was tuned on other data, or another split or target: tune it again, or remove {file}")
    options: dict[str, Any] = facts["options"]
    return options


def _tuned_file(experiment: Experiment, name: str) -> Path:
    return experiment.settings.workspace / "tuned" / f"{name}.json"
