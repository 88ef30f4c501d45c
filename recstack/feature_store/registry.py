"""What Feast's registry holds of recstack: declared by `apply`, loaded online by `materialize`, resolved for reads."""

from datetime import UTC, datetime

from feast import FeatureStore, Project
from feast.errors import FeastError

from recstack import columns as c
from recstack.errors import UserError
from recstack.feature_store.config import repo_config, write_config
from recstack.features import spec
from recstack.settings import Settings
from recstack.storage.lake import current

JOIN_KEYS: dict[spec.Owner, str] = {"user": c.USER_ID, "item": c.ITEM_ID}
VIEWS: dict[spec.Owner, str] = {"user": spec.USER_VIEW, "item": spec.ITEM_VIEW}


class FeatureStoreError(UserError):
    """Feast could not do what was asked; the message says what and what to do."""


def apply(settings: Settings) -> None:
    """Bring Feast's registry in line with the feature tables in use, as `feast apply` in `feature_repo/` does.

    Raises:
        FeatureStoreError: no features were built yet, or Feast refused; the message says why.
    """
    from recstack.feature_store.views import declare  # needs Spark's packages, which a server that only reads lacks

    try:
        declared = declare(current(settings.lake / "features").path, settings.feast_offline)
    except FileNotFoundError as error:
        raise FeatureStoreError(str(error)) from error
    write_config(settings)
    store = FeatureStore(config=repo_config(settings))
    views = [view for view in store.list_feature_views() if view.name not in VIEWS.values()]
    services = [service for service in store.list_feature_services() if service.name != spec.SERVICE]
    try:
        store.apply([Project(name=settings.dataset), *declared], objects_to_delete=[*services, *views], partial=False)
    except (FeastError, ValueError) as error:
        raise FeatureStoreError(f"Feast refused the feature tables of {settings.dataset!r}: {error}") from error


def materialize(settings: Settings, end: datetime) -> None:
    """Load the newest feature rows up to `end` into the online store."""
    store = FeatureStore(config=repo_config(settings))
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), end)


def service_features(store: FeatureStore, owner: spec.Owner) -> list[str]:
    """Names that the one FeatureService serves for an owner.

    Raises:
        FeatureStoreError: no such service, or its schema is not this code's.
    """
    service = {s.name: s for s in store.list_feature_services()}.get(spec.SERVICE)
    if service is None:
        raise FeatureStoreError(
            f"Feast project {store.project!r} has no service {spec.SERVICE!r}: run `feast apply` in feature_repo"
        )
    if service.tags.get("feature_schema") != spec.schema_digest():
        raise FeatureStoreError(
            f"Feast's registry holds feature schema {service.tags.get('feature_schema')}, this code defines "
            f"{spec.schema_digest()}: rebuild the features and run `feast apply`"
        )
    projection = next(p for p in service.feature_view_projections if p.name == VIEWS[owner])
    return [field.name for field in projection.features]
