"""Builds a release candidate: a model to judge and one to serve, tracked in MLflow and published as bundles."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recstack.archive.bundle import ALL, JUDGED, Facts, FittedTo, write_bundle
from recstack.data.splits import BEFORE_TEST, EVERYTHING
from recstack.data.traits import Traits
from recstack.errors import choose
from recstack.features.arrays import Ints
from recstack.models import models
from recstack.models.base import Recommender
from recstack.models.training_data import TrainingData
from recstack.recommend.request import RatingScale
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, version_of
from recstack.tracking.results import record_training
from recstack.tracking.tracker import Tracker
from recstack.training.dataset import log_end, newest_items
from recstack.training.experiment import Experiment
from recstack.training.files import write_training
from recstack.training.train import fit_to_everything, train

SERVED_FOLDER = "bundle"
"""Of a published model: the bundle to serve, which has learned from all data."""
JUDGED_FOLDER = "judged"
"""Of a published model: the bundle of the same recipe that has not seen the test part, which the report is of."""

PARTS = {ALL: EVERYTHING, JUDGED: BEFORE_TEST}

PROBE_USERS = 5


def build_candidate(
    experiment: Experiment,
    model: str,
    tracker: Tracker,
    *,
    seed: int,
    options: dict[str, Any],
    remote: Remote = NO_REMOTE,
) -> Build:
    """Train a model and publish its two bundles, unless this version is already published.

    `judged` has learned from what lies before the test part, and is what evaluation measures. `bundle`, to be served,
    is the same recipe (options, epochs, seed) on everything; how good it is nobody can measure, because nothing is left
    to measure it on.

    Args:
        experiment: the features and the target.
        model: a name in `recstack.models.models()`.
        tracker: the training becomes one run of it.
        seed: of every random draw.
        options: fields of the model's `Config`.
        remote: remote copy of the published models.

    Returns:
        The version. Its manifest has the rows that the served model learned from, and the figures of the judged one.

    Raises:
        UserError: no such model, or no such option of it.
    """
    settings, features = experiment.settings, experiment.features
    root = settings.lake / "models"
    inputs = {"features": features.path.name, "dataset": settings.dataset, "model": model, "seed": seed}
    inputs |= {"options": options, "target": experiment.target}
    made_by = [__name__, choose("model", model, models()).__module__]
    version = version_of(inputs, made_by)
    checkpoints = root / "checkpoints" / version

    def build(draft: Path) -> dict[str, Any]:
        with tracker.run(f"{model} {version}") as run:
            trained = train(experiment, model, seed=seed, options=options, checkpoints=checkpoints)
            judged = write_training(draft, trained, experiment)
            record_training(run, draft, trained, experiment)
            facts = _facts(experiment, version, trained.options, run.run_id)
            _write(draft / JUDGED_FOLDER, experiment, trained.model, trained.data, facts, JUDGED)
            del trained
            experiment.forget()  # the largest fit comes last, and needs no rows of the others
            served, data = fit_to_everything(experiment, model, facts.config, seed=seed, checkpoints=checkpoints)
            _write(draft / SERVED_FOLDER, experiment, served, data, facts, ALL)
            run.tags({"fitted_to": ALL, "rows": str(len(data.item)), "rows_judged": str(judged["rows"])})
        return {
            **judged,
            "fitted_to": ALL,
            "rows": len(data.item),
            "judged": {"fitted_to": JUDGED, **{name: judged[name] for name in ("rows", "epochs", "validation")}},
            "run_id": run.run_id,
            "run_url": run.url,
        }

    published = build_once(root, inputs, build, made_by=made_by, remote=remote)
    shutil.rmtree(checkpoints, ignore_errors=True)  # only now: a kill before this must not cost a fit that has ended
    return published


def _facts(experiment: Experiment, version: str, options: dict[str, Any], run_id: str) -> Facts:
    traits = Traits.of(experiment.ingested)
    return Facts(
        model_version=version,
        dataset=experiment.settings.dataset,
        generation=experiment.features.manifest["generation"],
        timed=bool(experiment.features.manifest["has_timestamps"]),
        scale=RatingScale(low=traits.rating_min, high=traits.rating_max, liked=traits.positive_from),
        config=options,
        data_fingerprint=experiment.fingerprint,
        run_id=run_id,
    )


def _write(
    folder: Path, experiment: Experiment, model: Recommender, data: TrainingData, facts: Facts, fitted_to: FittedTo
) -> None:
    parts = PARTS[fitted_to]
    folder.mkdir()
    write_bundle(
        folder,
        model,
        data.encoder,
        pq.read_table(experiment.ingested.path / "items"),
        newest_items(experiment.settings, experiment.features, parts),
        facts.model_copy(
            update={
                "fitted_to": fitted_to,
                "log_end": log_end(experiment.features, parts),
                "probe_users": _some_users(data.users.ids),
            }
        ),
    )


def _some_users(ids: Ints) -> tuple[int, ...]:
    """A few of these users, evenly spread over their ids."""
    known = np.unique(ids[ids >= 0])
    return tuple(int(user) for user in np.unique(known[np.linspace(0, len(known) - 1, PROBE_USERS).astype(int)]))
