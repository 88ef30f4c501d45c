"""Source files to checked interactions and items in the lake."""

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State

from flows.console import say_build, show
from flows.remote import fetch_source, remote_of
from recstack.data.adapters.base import NoDownloadError, configure, datasets
from recstack.data.folders import INTERACTIONS_FOLDER, ITEMS_FOLDER
from recstack.data.forgotten import forgotten_users
from recstack.data.ingest import ingest as publish_interactions
from recstack.data.summary import counted, facts_of
from recstack.errors import choose
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import Build

TABLES = (INTERACTIONS_FOLDER, ITEMS_FOLDER)


def may_pass(task: object, run: object, state: State[Any]) -> bool:
    """Whether a second attempt may end otherwise."""
    return not isinstance(state.data, NoDownloadError)


@task(retries=3, retry_delay_seconds=[1, 5, 20], retry_condition_fn=may_pass)
def fetch(dataset: str, cache: Path) -> Path | None:
    """Download the dataset unless it is there; the only step that needs the network."""
    return datasets()[dataset]().fetch(cache)


@task
def check_and_publish(settings: Settings, options: dict[str, Any], source: Path | None) -> Build:
    """Check the source against the contract and publish it."""
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    adapter, remote = configure(settings.dataset, options), remote_of(settings)
    forgotten = forgotten_users(settings.lake, remote)
    root = settings.lake / "interactions"
    return publish_interactions(spark, adapter, source, root, remote, forgotten=forgotten)


@flow(name="ingest")
def ingest(dataset: str = "movielens_100k", data: Path | None = None, options: dict[str, Any] | None = None) -> Path:
    """Publish the interactions and items of a dataset.

    Args:
        dataset: name of an adapter in `recstack/data/adapters`.
        data: folder of the source files; by default they come from the object store, or are downloaded, where
            that is allowed.
        options: fields of the adapter, such as `min_year` of movielens_25m, and of every adapter `accept_rejected`.

    Returns:
        Path of the published version.
    """
    choose("dataset", dataset, datasets())
    settings = Settings(dataset=dataset)
    source = data or fetch_source(settings) or fetch(dataset, settings.downloads)
    build = check_and_publish(settings, options or {}, source)
    say_build("ingest", counted(build), build)
    for line in facts_of(build):
        show(line)
    counts = build.manifest
    table = [{"table": t, "rows": counts[t]["rows"], "rejected": str(counts[t]["rejected"])} for t in TABLES]
    create_table_artifact(
        table, key=f"{dataset.replace('_', '-')}-ingested", description=f"Checked tables of {dataset}"
    )
    return build.path
