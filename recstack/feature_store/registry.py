"""Feast's registry: `apply` declares the feature tables, `materialize` loads them online, readers look them up."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from feast import FeatureService, FeatureStore, Project
from feast.errors import FeastError

from recstack import columns as c
from recstack.errors import UserError
from recstack.feature_store.config import repo_config, write_config
from recstack.features import spec
from recstack.progress import track
from recstack.settings import Settings

JOIN_KEYS: dict[spec.Owner, str] = {"user": c.USER_ID, "item": c.ITEM_ID}
VIEWS: dict[spec.Owner, str] = {"user": spec.USER_VIEW, "item": spec.ITEM_VIEW}


class FeatureStoreError(UserError):
    """Feast could not do something; the message says what, and how to mend it."""


def apply(settings: Settings, tables: Path) -> None:
    """Declare one version of the feature tables to Feast's registry.

    Args:
        settings: say which registry.
        tables: folder that `features.build` published.

    Raises:
        FeatureStoreError: Feast refused; the message says why.
    """
    from recstack.feature_store.views import declare  # needs Spark's packages, and a server that only reads has none

    declared = declare(tables, settings.feast_offline)
    write_config(settings)
    store = FeatureStore(config=repo_config(settings))
    views = [view for view in store.list_feature_views() if view.name not in VIEWS.values()]
    services = [service for service in store.list_feature_services() if service.name != spec.SERVICE]
    try:
        store.apply([Project(name=settings.dataset), *declared], objects_to_delete=[*services, *views], partial=False)
    except (FeastError, ValueError) as error:
        raise FeatureStoreError(f"Feast refused the feature tables of {settings.dataset!r}: {error}") from error


def materialize(settings: Settings, end: datetime) -> None:
    """Load the newest feature rows up to `end` into the online store.

    While it runs, nothing else of this process should write to stdout: Feast's own output goes there and is dropped.
    """
    store = FeatureStore(config=repo_config(settings))
    for view in track(VIEWS.values(), "materialize: loading the online store", unit="view"):
        with redirect_stdout(io.StringIO()):
            store.materialize(datetime(1970, 1, 1, tzinfo=UTC), end, [view])


def applied_tables(settings: Settings) -> Path:
    """Folder of the feature tables that the registry declares.

    Raises:
        FeatureStoreError: nothing was applied yet.
    """
    try:
        service = _service(FeatureStore(config=repo_config(settings)))
    except FileNotFoundError as error:
        raise FeatureStoreError(
            f"no feature tables of {settings.dataset!r} were applied yet: run the pipeline first"
        ) from error
    return settings.lake / "features" / service.tags["feature_tables"]


def service_features(store: FeatureStore, owner: spec.Owner, tables: Path | None = None) -> list[str]:
    """Names of an owner's features in the FeatureService.

    Args:
        store: an open store.
        owner: "user" or "item".
        tables: folder of the feature tables that the caller works on; None accepts any.

    Raises:
        FeatureStoreError: no such service, its schema is not this code's, or it declares other tables.
    """
    service = _service(store)
    if service.tags.get("feature_schema") != spec.schema_digest():
        raise FeatureStoreError(
            f"Feast's registry holds feature schema {service.tags.get('feature_schema')}, this code defines "
            f"{spec.schema_digest()}: rebuild the features and run `feast apply`"
        )
    if tables is not None and service.tags["feature_tables"] != tables.name:
        raise FeatureStoreError(
            f"Feast's registry declares the feature tables {service.tags['feature_tables']}, not {tables.name}: "
            "run `materialize` with the version that you want to train on"
        )
    projection = next(p for p in service.feature_view_projections if p.name == VIEWS[owner])
    return [field.name for field in projection.features]


def _service(store: FeatureStore) -> FeatureService:
    service = {s.name: s for s in store.list_feature_services()}.get(spec.SERVICE)
    if service is None:
        raise FeatureStoreError(
            f"Feast project {store.project!r} has no service {spec.SERVICE!r}: run `feast apply` in feature_repo"
        )
    return service
