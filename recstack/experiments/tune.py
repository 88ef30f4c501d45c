"""Finds a model's options on the validation part; the test part is not used, so its figures stay unbiased."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from recstack.data.splits import TRAIN, VALIDATION
from recstack.errors import UserError, choose
from recstack.evaluation.ranking import ndcg
from recstack.models import models
from recstack.models.base import Epoch, FitContext
from recstack.models.learning.checkpoint import SCORE
from recstack.models.learning.search_space import Between, OneOf
from recstack.progress import say, working
from recstack.tracking.tracker import Tracker
from recstack.training.experiment import Experiment

PARENT, OPTIONS = "mlflow_run", "options"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class TuningResult:
    """The best options found so far."""

    model: str
    options: dict[str, Any]
    validation: float
    """Their NDCG@10 on the validation part."""
    default: float
    """That of the model's defaults, which are the first trial."""
    trials: int
    """Trials that ended, including pruned ones and those of earlier calls."""


def tune(
    experiment: Experiment,
    name: str,
    *,
    trials: int,
    seconds: float,
    storage: Path,
    tracker: Tracker,
    seed: int = 0,
) -> TuningResult:
    """Try options until `trials` have ended or the time is over; a later call continues. Prints a line per trial.

    The tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) proposes options. A trial whose learning curve
    lies below the median of the earlier ones is pruned (Golovin et al., KDD 2017). All trials use the same training
    seed, so they differ by their options alone.

    Args:
        experiment: the features; models are fitted on the training part and ranked on the validation part.
        name: a model with a search space.
        trials: total number of trials, including earlier calls.
        seconds: no trial starts after this time.
        storage: SQLite file of the studies; created where there is none.
        tracker: each trial becomes a child of one run.
        seed: of proposals and of every fit.

    Raises:
        UserError: the model is unknown or has nothing to tune.
        DataError: the validation part has nothing to evaluate.
    """
    model = choose("model", name, models())
    if not model.space:
        able = ", ".join(each for each, found in models().items() if found.space)
        raise UserError(f"{name} has no options to tune; models that have some are {able}")
    data, cases = experiment.data((TRAIN,)), experiment.cases(VALIDATION)
    study = _study(f"{experiment.settings.dataset}/{experiment.features.path.name}/{name}", storage, seed)

    def objective(trial: optuna.Trial) -> float:
        first = not study.get_trials(states=ENDED)
        options = {} if first else {each: _suggest(trial, each, values) for each, values in model.space.items()}
        trial.set_user_attr(OPTIONS, options)
        pruned = False

        def prune_if_bad(epoch: Epoch) -> None:
            nonlocal pruned
            if SCORE in epoch.metrics:
                trial.report(epoch.metrics[SCORE], epoch.number)
                if pruned := trial.should_prune():
                    raise optuna.TrialPruned

        what = f"tune: {name}, trial {trial.number} of {trials}"
        with working(what), run.child(f"trial {trial.number}") as child:
            child.params({"model": name, **options})
            with suppress(optuna.TrialPruned):
                context = FitContext(seed, options, validate=lambda each: ndcg(each, cases), on_epoch=prune_if_bad)
                fitted = model.fit(data, context)
                value = ndcg(fitted, cases)
                child.metrics({SCORE: value})
            child.tags({"pruned": str(pruned)})
        if pruned:
            raise optuna.TrialPruned
        return value

    def print_trial(_: optuna.Study, trial: FrozenTrial) -> None:
        value = "pruned" if trial.value is None else f"{trial.value:.4f}"
        say(f"trial {trial.number}: {value} with {trial.user_attrs[OPTIONS] or 'the defaults'}")

    with tracker.reopened(study.user_attrs.get(PARENT), f"tune {name}") as run:
        study.set_user_attr(PARENT, run.run_id)
        run.tags({"model": name, "protocol": experiment.protocol, "data": experiment.fingerprint})
        if (ended := len(study.get_trials(states=ENDED))) < trials:
            study.optimize(objective, n_trials=trials - ended, timeout=seconds, callbacks=[print_trial])
        complete = study.get_trials(states=(TrialState.COMPLETE,))
        best = study.best_trial
        result = TuningResult(
            model=name,
            options=best.user_attrs[OPTIONS],
            validation=study.best_value,
            default=next(float(trial.value or 0.0) for trial in complete if not trial.user_attrs[OPTIONS]),
            trials=len(study.get_trials(states=ENDED)),
        )
        run.metrics({SCORE: result.validation, f"default_{SCORE}": result.default, "trials": result.trials})
        run.tags({"options": json.dumps(result.options)})
    return result


def _study(name: str, storage: Path, seed: int) -> optuna.Study:
    """The study of this name; trials that a kill left unfinished are tried again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=name,
        storage=f"sqlite:///{storage}",
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=2),
    )
    for left in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
        study.enqueue_trial(left.params)
    return study


def _suggest(trial: optuna.Trial, name: str, values: Between | OneOf) -> Any:
    if isinstance(values, OneOf):
        return trial.suggest_categorical(name, values.values)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return trial.suggest_int(name, values.low, values.high, log=values.log)
    return trial.suggest_float(name, values.low, values.high, log=values.log)
