"""Feature tables to Feast's online store."""

import time
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, task

from flows.console import say
from flows.mirror import mirror_of
from recstack.feature_store.registry import apply
from recstack.feature_store.registry import materialize as load_online
from recstack.settings import Settings
from recstack.storage.lake import current, opened, point_to


@task
def register(settings: Settings, features: Path) -> None:
    """Make these tables the ones that Feast knows, as `feast apply` in `feature_repo` would."""
    mirror_of(settings).bring(features)
    point_to(features)
    apply(settings)


@task
def in_use(settings: Settings) -> Path:
    """The tables that were registered last."""
    root = settings.lake / "features"
    mirror_of(settings).bring_current(root)
    return current(root).path


@task(retries=2, retry_delay_seconds=5)
def load(settings: Settings) -> None:
    """Write the newest row of every entity into the online store."""
    load_online(settings, datetime.now(UTC))


@flow(name="materialize")
def materialize(features: Path | None = None, dataset: str = "movielens_100k") -> None:
    """Apply the feature definitions and load the online store.

    Args:
        features: what `build_features` returned; by default the tables in use, for an online store that lost them.
        dataset: whose they are; also the Feast project.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    tables = features or in_use(settings)
    register(settings, tables)
    load(settings)
    rows = opened(tables).manifest["rows"]
    what = f"newest of {rows['user']:,} user and {rows['item']:,} item rows, to {settings.feast_online.split(',')[0]}"
    say("materialize", what, time.monotonic() - start, settings.workspace / "feast")
