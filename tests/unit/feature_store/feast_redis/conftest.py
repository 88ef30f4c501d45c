"""A real Redis for the tests of this folder, and feature stores that use it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import redis
from feast import FeatureStore
from online_samples import feature_store
from redis_server import redis_server


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def client(address: str) -> redis.Redis:
    """An empty Redis."""
    found = redis.Redis(port=int(address.split(":")[1]))
    found.flushall()
    return found


@pytest.fixture
def open_store(address: str, tmp_path: Path) -> Callable[..., FeatureStore]:
    return partial(feature_store, tmp_path, address)


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)
