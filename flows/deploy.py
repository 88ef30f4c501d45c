"""An archive to TorchServe, without a gap in its answers."""

import time
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.console import say
from flows.remote import remote_of
from recstack.release.probe import ask, features_of, known_user, served_model
from recstack.release.rollout import serve
from recstack.settings import Settings
from recstack.torchserve.embedded import embedded


@task(retries=2, retry_delay_seconds=3)
def put_into_service(settings: Settings, archive: Path) -> str:
    """Register the archive by the management API; the old version answers until the new one has answered."""
    return serve(embedded(settings).api, archive, settings)


@flow(name="deploy")
def deploy(archive: Path, dataset: str = "movielens_100k") -> str:
    """Serve an archive with the TorchServe of the settings.

    Args:
        archive: what the flow `archive` returned.
        dataset: whose model it is.

    Returns:
        The version that is served now.
    """
    settings = Settings(dataset=dataset)
    remote = remote_of(settings)
    remote.fetch(archive)
    start = time.monotonic()
    version = put_into_service(settings, archive)
    say("deploy", f"version {version} answers", time.monotonic() - start, settings.torchserve_inference)
    remote.fetch(settings.lake / "models" / version)
    features = features_of(served_model(settings))
    remote.fetch(features)
    user = known_user(features)
    answer = ask(settings, {"user_id": user, "explain": True})
    create_table_artifact(
        [
            {"rank": rank, **item, "genres": ", ".join(item["genres"]), "reasons": "; ".join(item["reasons"])}
            for rank, item in enumerate(answer["items"], 1)
        ],
        key=f"{dataset.replace('_', '-')}-recommendations",
        description=f"For user {user}, policy {answer['policy']}, model {answer['model_version']}",
    )
    return version
