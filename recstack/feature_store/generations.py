"""Generations of feature rows in Feast: each has two views and a service of its own, and models name theirs."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from feast import FeatureService, FeatureStore, FeatureView

from recstack import columns as c
from recstack.errors import UserError
from recstack.feature_store.config import repo_config
from recstack.feature_store.stale_rows import remove_stale
from recstack.features import spec
from recstack.settings import Settings

JOIN_KEYS: Final[dict[spec.Owner, str]] = {"user": c.USER_ID, "item": c.ITEM_ID}
FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


class FeatureStoreError(UserError):
    """Feast could not do something; the message says what, and how to mend it."""


@dataclass(frozen=True)
class Generation:
    """What the registry says of one generation."""

    name: str
    feature_schema: str
    features: dict[str, Any]
    """Its definition, see `spec.definition`; empty where an earlier recstack declared it, whose rows are not read."""
    tables: str
    """Version of the feature tables that were declared last."""
    vocabulary: tuple[str, ...]
    horizon: datetime | None
    """Up to when these tables know the log; None if they were never loaded online."""
    log_end: int | None
    """Epoch second of the last interaction in these tables; None without timestamps."""

    @classmethod
    def of(cls, service: FeatureService) -> "Generation":
        """From the tags that `views.declare` gives a service."""
        tags = service.tags
        horizon = datetime.fromisoformat(tags["horizon"]) if tags.get("horizon") else None
        genres = tuple(json.loads(tags["vocabulary"]))
        log_end = int(tags["log_end"]) if tags["log_end"] else None
        features = json.loads(tags.get("features", "{}"))
        return cls(
            tags["generation"], tags["feature_schema"], features, tags["feature_tables"], genres, horizon, log_end
        )


def view_name(owner: spec.Owner, generation: str) -> str:
    """Name of the view of an owner's features."""
    return f"{spec.VIEWS[owner]}_{generation}"


def service_name(generation: str) -> str:
    """Name of the service that models of this generation read."""
    return f"{spec.SERVICE}_{generation}"


def generations(store: FeatureStore) -> dict[str, Generation]:
    """All that the registry declares, by name."""
    named = [service for name, service in _services(store).items() if name.startswith(f"{spec.SERVICE}_")]
    return {found.name: found for found in map(Generation.of, named)}


def newest_generation(store: FeatureStore) -> Generation | None:
    """The one whose tables were declared last; None if nothing was declared yet."""
    service = _services(store).get(spec.SERVICE)
    return Generation.of(service) if service is not None and "generation" in service.tags else None


def _services(store: FeatureStore) -> dict[str, FeatureService]:
    try:
        return {service.name: service for service in store.list_feature_services()}
    except FileNotFoundError:  # a registry in a file, before the first `apply`
        return {}


def declared_beside(settings: Settings, generation: str) -> dict[str, FeatureService | FeatureView]:
    """Views and services of all other generations that the registry declares, by name."""
    store = FeatureStore(config=repo_config(settings))
    others = [name for name in generations(store) if name != generation]
    views = {v.name: v for v in store.list_feature_views() if v.name.rpartition("_")[2] in others}
    return {**views, **{service_name(name): store.get_feature_service(service_name(name)) for name in others}}


def drop_generations(settings: Settings, keep: Collection[str]) -> list[str]:
    """Remove all generations but the named ones and the newest, from the online store and then from the registry.

    Args:
        settings: say which store.
        keep: generations that models in service read.

    Returns:
        The names of those that were removed.
    """
    store = FeatureStore(config=repo_config(settings))
    newest = newest_generation(store)
    kept = {*keep, *([newest.name] if newest else [])}
    dropped = [name for name in generations(store) if name not in kept]
    for service in _services(store):
        if service not in {spec.SERVICE, *map(service_name, kept)}:
            store.delete_feature_service(service)
    for view in store.list_feature_views():  # also those of a recstack that had no generations
        if view.name not in {view_name(owner, name) for name in kept for owner in JOIN_KEYS}:
            remove_stale(store.config, view, FOREVER)
            store.delete_feature_view(view.name)
    return dropped
