"""Rolls out an archive to TorchServe and shows what a known user gets."""

import time
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State

from flows.console import say
from flows.remote import remote_of
from recstack.feature_store.generations import drop_generations
from recstack.release.rollout import roll_out
from recstack.release.served_model import (
    most_active_user,
    recommend,
    served_generation,
    served_model,
    training_features,
)
from recstack.settings import Settings
from recstack.storage.locks import one_at_a_time
from recstack.torchserve.api import TorchServeError
from recstack.torchserve.server import server_of


def may_pass(task: object, run: object, state: State[Any]) -> bool:
    """Whether a second attempt may end otherwise: a version that TorchServe refused is refused again."""
    return not (isinstance(state.data, TorchServeError) and state.data.status)


@task(retries=2, retry_delay_seconds=3, retry_condition_fn=may_pass)
def switch_model(settings: Settings, archive: Path) -> str:
    """Roll out the archive; the old version answers until the new one has answered a request."""
    return roll_out(server_of(settings).api, archive, settings)


@task(retries=2, retry_delay_seconds=5)
def drop_old_rows(settings: Settings, served: str) -> list[str]:
    """Remove the generations of feature rows that neither the served model reads nor the newest tables have."""
    return drop_generations(settings, {served})


@flow(name="deploy")
def deploy(archive: Path, dataset: str = "movielens_100k") -> str:
    """Serve an archive with the TorchServe of the settings.

    Args:
        archive: what the flow `archive` returned.
        dataset: the model's dataset.

    Returns:
        The version that is served now.
    """
    settings = Settings(dataset=dataset)
    remote_of(settings).fetch(archive)
    with one_at_a_time(settings.model_store / ".rollout.lock"):  # there is one TorchServe for all datasets
        return _switch_and_ask(settings, archive)


def _switch_and_ask(settings: Settings, archive: Path) -> str:
    start = time.monotonic()
    version = switch_model(settings, archive)
    say("deploy", f"version {version} answers", time.monotonic() - start, settings.torchserve_inference)
    remote = remote_of(settings)
    remote.fetch(settings.lake / "models" / version)
    model = served_model(settings)
    remote.fetch(training_features(model))
    for old in drop_old_rows(settings, served_generation(model)):
        say("deploy", f"removed the feature rows of generation {old}", 0.0, settings.feast_online.split(",")[0])
    user = most_active_user(model)
    answer = recommend(settings, {"user_id": user, "explain": True})
    create_table_artifact(
        [
            {"rank": rank, **item, "genres": ", ".join(item["genres"]), "reasons": "; ".join(item["reasons"])}
            for rank, item in enumerate(answer["items"], 1)
        ],
        key=f"{settings.dataset.replace('_', '-')}-recommendations",
        description=f"For user {user}, policy {answer['policy']}, model {answer['model_version']}",
    )
    return version
