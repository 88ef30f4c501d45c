"""Models compared or tuned on data of somebody's own."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from recstack.errors import UserError, choose
from recstack.evaluation.report.report import Report
from recstack.experiments.compare import compare
from recstack.experiments.prepare import Question, prepare
from recstack.experiments.tune import Tuned, tune
from recstack.models import models
from recstack.settings import Settings
from recstack.storage.lake import write_atomically
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment
from recstack.training.threads import use_threads


def evaluate_dataset(
    settings: Settings,
    question: Question,
    names: Sequence[str],
    seeds: int,
    *,
    champion: str | None = None,
    tuned: bool = False,
    say: Callable[[str], None] = print,
) -> Report:
    """Fit models and rank the test part.

    Args:
        settings: the dataset and where local state lives.
        question: the data and the protocol.
        names: models, or ["all"].
        seeds: fits of each model.
        champion: the model that the others are compared with; None takes the best.
        tuned: whether models take the options that `tune_dataset` found for them, where it did.
        say: told what is going on, a line a step.

    Raises:
        UserError: unknown dataset, model, protocol or label, bad data, or options found on other data.
    """
    chosen = list(models()) if list(names) == ["all"] else list(dict.fromkeys(names))
    for name in chosen:
        choose("model", name, models())
    if champion is not None:
        choose("compared model", champion, dict.fromkeys(chosen))
    use_threads(settings.threads)
    experiment = prepare(settings, question, say)
    options = {name: _found(experiment, name) for name in chosen} if tuned else {}
    for name, found in options.items():
        say(f"{name}: {'tuned: ' + json.dumps(found) if found else 'its defaults'}")
    return compare(experiment, chosen, seeds=seeds, champion=champion, options=options, say=say)


def tune_dataset(
    settings: Settings,
    question: Question,
    name: str,
    *,
    trials: int,
    seconds: float,
    say: Callable[[str], None] = print,
) -> Tuned:
    """Find a model's options on the validation part, and keep them for `evaluate_dataset(…, tuned=True)`.

    Args:
        settings: the dataset, and where local state and MLflow live.
        question: the data and the protocol.
        name: the model.
        trials: how many there shall be in all, those of earlier calls included.
        seconds: no trial is begun after this time.
        say: told what is going on, a line a step and a trial.

    Raises:
        UserError: unknown dataset, protocol or label, bad data, or a model that has nothing to tune.
    """
    use_threads(settings.threads)
    experiment = prepare(settings, question, say)
    tuned = tune(
        experiment,
        name,
        trials=trials,
        seconds=seconds,
        storage=experiment.settings.workspace / "tuned" / "studies.db",
        tracker=Tracker(settings.tracking_uri, settings.dataset, settings.artifacts),
        say=say,
    )
    facts = {**asdict(tuned), "data": experiment.fingerprint}
    write_atomically(experiment.settings.workspace / "tuned" / f"{name}.json", json.dumps(facts, indent=2))
    return tuned


def _found(experiment: Experiment, name: str) -> dict[str, Any]:
    """What tuning found for this model; nothing if it was never tuned."""
    file = experiment.settings.workspace / "tuned" / f"{name}.json"
    if not file.exists():
        return {}
    facts = json.loads(file.read_text())
    if facts["data"] != experiment.fingerprint:
        raise UserError(f"{name} was tuned on other data, or another split or label: tune it again, or remove {file}")
    options: dict[str, Any] = facts["options"]
    return options
