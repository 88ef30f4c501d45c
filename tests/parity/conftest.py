"""The shop's features in two real online stores."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis_server import redis_server
from workspace import CLOSING, Workspace

from recstack.feature_store.config import repo_config
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import materialize
from recstack.settings import Settings


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(scope="session", params=["sqlite", "redis"])
def online_settings(shop: Workspace, request: pytest.FixtureRequest) -> Settings:
    """Settings of a store into which everything is materialized."""
    address = "sqlite" if request.param == "sqlite" else request.getfixturevalue("redis")
    settings = shop.settings.model_copy(update={"feast_online": address})
    materialize(settings, datetime.fromtimestamp(CLOSING, UTC))
    return settings


@pytest.fixture(scope="session")
def online(online_settings: Settings) -> OnlineStore:
    return OnlineStore(repo_config(online_settings))
