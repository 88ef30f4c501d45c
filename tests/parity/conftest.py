"""The shop's features in real online stores, by recstack's own store classes and by Feast's."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis_server import redis_server
from workspace import CLOSING, Workspace

from recstack.feature_store.config import repo_config
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import apply, materialize
from recstack.settings import Settings


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(scope="session", params=["sqlite", "redis", "stock redis"])
def online_settings(shop: Workspace, request: pytest.FixtureRequest) -> Settings:
    """Settings of a store into which everything is materialized; `stock`: by Feast's own classes."""
    address = "sqlite" if request.param == "sqlite" else request.getfixturevalue("redis")
    stock = request.param == "stock redis"
    chosen = {"feast_online": f"{address},db=1" if stock else address, "feast_stock": stock}
    settings = shop.settings.model_copy(update=chosen)
    apply(settings, shop.features.path, datetime.fromtimestamp(CLOSING, UTC))
    materialize(settings, shop.features.path)
    return settings


@pytest.fixture(scope="session")
def online(online_settings: Settings) -> OnlineStore:
    return OnlineStore(repo_config(online_settings))
