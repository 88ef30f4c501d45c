"""Loads the newest feature rows into Feast's online store."""

import time
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, task

from flows.console import say
from flows.remote import remote_of
from recstack.feature_store.registry import applied_tables, apply, next_horizon
from recstack.feature_store.registry import materialize as load_online
from recstack.settings import Settings
from recstack.storage.lake import opened
from recstack.storage.locks import one_at_a_time


@task
def register(settings: Settings, features: Path, horizon: datetime | None) -> None:
    """Declare these tables to Feast, as `feast apply` does in `feature_repo`."""
    remote_of(settings).fetch(features)
    apply(settings, features, horizon)


@task(retries=2, retry_delay_seconds=5)
def load(settings: Settings, features: Path) -> None:
    """Make the online store equal to the newest rows of these tables."""
    load_online(settings, features)


@flow(name="materialize")
def materialize(features: Path | None = None, dataset: str = "movielens_100k", read_at: datetime | None = None) -> None:
    """Apply the feature definitions and load the online store.

    Args:
        features: what `build_features` returned; by default the tables that are declared to Feast, to load a new store.
        dataset: whose they are; also the Feast project.
        read_at: when the log was read that these tables come from; by default now. Rows that know more of the log stay.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    tables = features or applied_tables(settings)
    again = features is None  # the same tables, which know the log up to the same horizon
    with one_at_a_time(settings.workspace / "feast" / ".lock"):  # two loads at once would mix their rows
        register(settings, tables, None if again else next_horizon(settings, read_at or datetime.now(UTC)))
        load(settings, tables)
    rows = opened(tables).manifest["rows"]
    what = f"newest of {rows['user']:,} user and {rows['item']:,} item rows, to {settings.feast_online.split(',')[0]}"
    say("materialize", what, time.monotonic() - start, settings.workspace / "feast")
