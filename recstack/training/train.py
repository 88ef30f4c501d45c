"""Trains one model: how long is found on the validation part, then it learns from training and validation together."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recstack.data.splits import TRAIN, VALIDATION
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
    """What the final model learned from."""
    options: dict[str, Any]
    """Options of the final fit."""
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
        checkpoints: folder of resume files, removed at the end; None for none.

    Raises:
        UserError: no such model, or no such option of it.
    """
    recommender = choose("model", name, models())
    chosen = dict(options or {})
    recommender.config_class.read(chosen, name)  # before minutes of work
    files = [checkpoints / f"{stage}.pt" for stage in ("search", "final")] if checkpoints else [None, None]

    first = experiment.data((TRAIN,))
    cases = validation_cases(experiment)
    curve: list[Epoch] = []

    context = FitContext(
        seed=seed,
        options=chosen,
        validate=None if cases is None else lambda model: ndcg(model, cases),
        on_epoch=curve.append,
        checkpoint=files[0],
    )
    searched = recommender.fit(first, context)
    validation = np.zeros(0) if cases is None else user_ndcg(searched, cases)
    chosen |= searched.refit_options()

    data = experiment.data((TRAIN, VALIDATION))
    model = recommender.fit(data, FitContext(seed=seed, options=chosen, checkpoint=files[1]))
    for file in files:
        if file is not None:
            file.unlink(missing_ok=True)
    return Trained(model, data, chosen, validation, curve)


def validation_cases(experiment: Experiment) -> EvaluationSet | None:
    """What decides when to stop; None where the validation part is too small to rank anything."""
    try:
        return experiment.cases("validation")
    except DataError as error:  # a small log may have a test part worth evaluating all the same
        log.warning("no early stopping, the full number of epochs is trained: %s", error)
        return None
