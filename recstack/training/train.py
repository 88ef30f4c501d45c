"""Trains one model three times: to find how long to train it, to judge it on the test part, and to serve it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recstack.data.splits import BEFORE_TEST, EVERYTHING, TRAIN
from recstack.errors import DataError, choose
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import ndcg, user_ndcg
from recstack.features.arrays import Doubles
from recstack.models import models
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.training_data import TrainingData
from recstack.training.experiment import Experiment

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A model fitted to everything before the test part, and how good it was when validation was still held back."""

    model: Recommender
    data: TrainingData
    """What the model learned from."""
    options: dict[str, Any]
    """Options of the fit on `data`, with the number of epochs that was best."""
    validation: Doubles
    """[U] NDCG@10 of each validation user, by the model that had not seen the validation part; empty without any."""
    epochs: list[Epoch]
    """Learning curve of the first fit; empty for models without epochs."""


def train(
    experiment: Experiment,
    name: str,
    *,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    checkpoints: Path | None = None,
) -> Trained:
    """Fit with early stopping, then again on training + validation for the number of epochs that was best.

    Args:
        experiment: the features.
        name: in `recstack.models.models()`.
        seed: of every draw.
        options: of the model's `Config`.
        checkpoints: folder of resume files, which stay there for the caller to remove; None for none.

    Raises:
        UserError: no such model, or no such option of it.
    """
    recommender = choose("model", name, models())
    chosen = dict(options or {})
    recommender.config_class.read(chosen, name)  # before minutes of work
    first = experiment.data((TRAIN,))
    cases = validation_cases(experiment)
    curve: list[Epoch] = []

    context = FitContext(
        seed=seed,
        options=chosen,
        validate=None if cases is None else lambda model: ndcg(model, cases),
        on_epoch=curve.append,
        checkpoint=_file(checkpoints, "search"),
    )
    searched = recommender.fit(first, context)
    validation = np.zeros(0) if cases is None else user_ndcg(searched, cases)
    chosen |= searched.refit_options()

    data = experiment.data(BEFORE_TEST)
    model = recommender.fit(data, FitContext(seed=seed, options=chosen, checkpoint=_file(checkpoints, "judged")))
    return Trained(model, data, chosen, validation, curve)


def fit_to_everything(
    experiment: Experiment, name: str, options: dict[str, Any], *, seed: int = 0, checkpoints: Path | None = None
) -> tuple[Recommender, TrainingData]:
    """The model to serve: the recipe of `train` on all rows, also those of the test part. Nothing is measured here.

    Args:
        experiment: the features.
        name: of the judged model.
        options: `Trained.options` of the judged model.
        seed: of every draw.
        checkpoints: as in `train`.

    Returns:
        The model and what it learned from.
    """
    data = experiment.data(EVERYTHING)
    context = FitContext(seed=seed, options=options, checkpoint=_file(checkpoints, "served"))
    return choose("model", name, models()).fit(data, context), data


def _file(checkpoints: Path | None, stage: str) -> Path | None:
    return None if checkpoints is None else checkpoints / f"{stage}.pt"


def validation_cases(experiment: Experiment) -> EvaluationSet | None:
    """What decides when to stop; None where the validation part is too small to rank anything."""
    try:
        return experiment.cases("validation")
    except DataError as error:  # a small log may have a test part worth evaluating all the same
        log.warning("no early stopping, the full number of epochs is trained: %s", error)
        return None
