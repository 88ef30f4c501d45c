"""Feast's registry: `apply` declares the feature tables, `materialize` loads them online, readers look them up."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feast import FeatureStore, Project
from feast.errors import FeastError

from recstack.feature_store.config import repo_config, write_config
from recstack.feature_store.generations import (
    JOIN_KEYS,
    FeatureStoreError,
    Generation,
    generations,
    newest_generation,
    view_name,
)
from recstack.feature_store.stale_rows import remove_entities
from recstack.features import spec, vocabulary
from recstack.progress import track
from recstack.settings import Settings
from recstack.storage.lake import Build, opened

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def apply(settings: Settings, tables: Path, horizon: datetime | None = None) -> None:
    """Declare one version of the feature tables to Feast's registry, beside the generations that are there.

    Args:
        settings: say which registry.
        tables: folder that `features.build` published.
        horizon: up to when these tables know the log, if `materialize` will load them.

    Raises:
        FeatureStoreError: Feast refused, or the registry declares tables that these do not continue.
    """
    from recstack.feature_store.views import declare  # needs Spark's packages, and a server that only reads has none

    build = opened(tables)
    write_config(settings)
    store = FeatureStore(config=repo_config(settings))
    before = _declared(store, build.manifest["generation"])
    if before is not None:
        _require_continuation(before, build, horizon)
    if horizon is None and before is not None and before.tables == tables.name:
        horizon = before.horizon
    declared = declare(build, settings.feast_offline, horizon.isoformat() if horizon else "")
    try:
        store.apply([Project(name=settings.dataset), *declared])
    except (FeastError, ValueError) as error:
        raise FeatureStoreError(f"Feast refused the feature tables of {settings.dataset!r}: {error}") from error


def materialize(settings: Settings, tables: Path) -> None:
    """Make the online store equal to the newest row of every user and item in these tables.

    Every row gets the tables' horizon as its timestamp. A row that knows more of the log, by its later horizon, stays;
    rows of users and items that the tables no longer have are removed. `apply` must have declared the tables. While it
    runs, nothing else of this process should write to stdout: Feast's own output goes there and is dropped.

    Raises:
        FeatureStoreError: the registry declares other tables, or no horizon of these.
    """
    store = FeatureStore(config=repo_config(settings))
    generation = declared_generation(store, tables)
    if generation.horizon is None:
        raise FeatureStoreError(f"{tables} was declared to Feast without a horizon: run the flow `materialize`")
    views = [view_name(owner, generation.name) for owner in JOIN_KEYS]
    for view in track(views, "materialize: loading the online store", unit="view"):
        with redirect_stdout(io.StringIO()):
            store.materialize(EPOCH, generation.horizon, [view])


def replace_tables(settings: Settings, tables: Path) -> None:
    """Declare these tables instead of the newest that are declared, and load them if those were loaded.

    They know no more of the log, so their horizon is only the next one: what another writer knows since then stays.
    Does nothing if no tables are declared.

    Raises:
        FeatureStoreError: see `apply`.
    """
    newest = newest_generation(FeatureStore(config=repo_config(settings)))
    if newest is None:
        return
    horizon = next_horizon(settings, newest.horizon) if newest.horizon is not None else None
    apply(settings, tables, horizon)
    if horizon is not None:
        materialize(settings, tables)


def remove_user_rows(settings: Settings, user_ids: list[int]) -> int:
    """Remove what the online store has of these users in all generations; returns how many rows were there."""
    store = FeatureStore(config=repo_config(settings))
    if newest_generation(store) is None:
        return 0
    found = [view for view in store.list_feature_views() if view.name.startswith(f"{spec.VIEWS['user']}_")]
    return remove_entities(store.config, found[0], user_ids)


def next_horizon(settings: Settings, now: datetime) -> datetime:
    """The horizon of tables that know the log up to `now`: whole seconds, which is what Feast's Redis store compares.

    Raises:
        FeatureStoreError: tables that know more of the log were declared already.
    """
    read = now.replace(microsecond=0)
    declared = generations(FeatureStore(config=repo_config(settings))).values()
    known = [found.horizon for found in declared if found.horizon is not None]
    latest = max(known, default=None)
    if latest is not None and read < latest:
        raise FeatureStoreError(
            f"a later run has loaded a log that was read at {latest}, after this run read it ({read}): "
            "run the pipeline again"
        )
    return latest + timedelta(seconds=1) if read == latest else read


def applied_tables(settings: Settings) -> Path:
    """Folder of the feature tables that the registry declares.

    Raises:
        FeatureStoreError: nothing was applied yet.
    """
    newest = newest_generation(FeatureStore(config=repo_config(settings)))
    if newest is None:
        raise FeatureStoreError(f"no feature tables of {settings.dataset!r} were applied yet: run the pipeline first")
    return settings.lake / "features" / newest.tables


def declared_generation(store: FeatureStore, tables: Path) -> Generation:
    """What the registry says of the generation of these tables.

    Raises:
        FeatureStoreError: the registry does not declare these tables, or another feature schema.
    """
    found = _declared(store, opened(tables).manifest["generation"])
    if found is None or found.tables != tables.name:
        declared = "no feature tables" if found is None else f"the feature tables {found.tables}"
        raise FeatureStoreError(
            f"Feast's registry declares {declared}, not {tables.name}: run `materialize` with the version that you "
            "want to train on"
        )
    if found.feature_schema != spec.schema_digest():
        raise FeatureStoreError(
            f"the feature tables {tables.name} have schema {found.feature_schema}, this code defines "
            f"{spec.schema_digest()}: build the features again"
        )
    return found


def _declared(store: FeatureStore, generation: str) -> Generation | None:
    return generations(store).get(generation)


def _require_continuation(before: Generation, build: Build, horizon: datetime | None) -> None:
    genres = vocabulary.load(build.path)
    if not vocabulary.continues(genres, before.vocabulary):
        raise FeatureStoreError(
            f"the feature tables {build.path.name} have genres at other positions than {before.tables}, which Feast's "
            "registry declares: restore the lake's folder `features`, or remove that and the registry, then run the "
            "pipeline"
        )
    if horizon and before.horizon and horizon < before.horizon and before.tables != build.path.name:
        raise FeatureStoreError(
            f"a later run has declared feature tables that know the log up to {before.horizon}; these know it up to "
            f"{horizon}: run the pipeline again"
        )
