"""Builds a release candidate: trains a model, tracks it in MLflow and publishes it as a bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recstack.archive.bundle import Facts, write_bundle
from recstack.data.traits import Traits
from recstack.errors import choose
from recstack.features.arrays import Ints
from recstack.models import models
from recstack.recommend.request import RatingScale
from recstack.storage.lake import NO_REMOTE, Build, Remote, build_once, version_of
from recstack.tracking.results import record_training
from recstack.tracking.tracker import Tracker
from recstack.training.dataset import newest_items
from recstack.training.experiment import Experiment
from recstack.training.files import write_training
from recstack.training.train import train

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
    """Train a model and publish it with its bundle, unless this version is already published.

    Args:
        experiment: the features and the target.
        model: a name in `recstack.models.models()`.
        tracker: the training becomes one run of it.
        seed: of every random draw.
        options: fields of the model's `Config`.
        remote: remote copy of the published models.

    Raises:
        UserError: no such model, or no such option of it.
    """
    settings, features = experiment.settings, experiment.features
    root = settings.lake / "models"
    inputs = {"features": features.path.name, "dataset": settings.dataset, "model": model, "seed": seed}
    inputs |= {"options": options, "target": experiment.target}
    made_by = [__name__, choose("model", model, models()).__module__]
    version = version_of(inputs, made_by)

    def build(draft: Path) -> dict[str, Any]:
        traits = Traits.of(experiment.ingested)
        with tracker.run(f"{model} {version}") as run:
            trained = train(experiment, model, seed=seed, options=options, checkpoints=root / "checkpoints" / version)
            manifest = write_training(draft, trained, experiment) | {"run_id": run.run_id, "run_url": run.url}
            record_training(run, draft, trained, experiment)
            facts = Facts(
                model_version=version,
                dataset=settings.dataset,
                timed=traits.has_timestamps,
                scale=RatingScale(low=traits.rating_min, high=traits.rating_max, liked=traits.positive_from),
                config=trained.options,
                data_fingerprint=experiment.fingerprint,
                run_id=run.run_id,
                probe_users=_some_users(trained.data.users.ids),
            )
            (draft / "bundle").mkdir()
            write_bundle(
                draft / "bundle",
                trained.model,
                trained.data.encoder,
                pq.read_table(experiment.ingested.path / "items"),
                newest_items(settings, features),
                facts,
            )
            return manifest

    return build_once(root, inputs, build, made_by=made_by, remote=remote)


def _some_users(ids: Ints) -> tuple[int, ...]:
    """A few of these users, evenly spread over their ids."""
    known = np.unique(ids[ids >= 0])
    return tuple(int(user) for user in np.unique(known[np.linspace(0, len(known) - 1, PROBE_USERS).astype(int)]))
