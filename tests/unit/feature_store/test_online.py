"""A reader of the online store follows changes of Feast's registry while it serves."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from feast import FeatureStore, Project, RepoConfig

from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import FeatureStoreError
from recstack.feature_store.views import declare
from recstack.features import spec

LIFETIME = 1
"""Seconds until Feast's cache of the registry expires."""


@pytest.fixture
def config(tmp_path: Path) -> RepoConfig:
    return RepoConfig(
        project="shop",
        provider="local",
        registry={"registry_type": "file", "path": str(tmp_path / "registry.db"), "cache_ttl_seconds": LIFETIME},
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        entity_key_serialization_version=3,
    )


def apply(config: RepoConfig, tables: Path) -> None:
    FeatureStore(config=config).apply([Project(name="shop"), *declare(tables, "duckdb")], partial=False)


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def refused(store: OnlineStore) -> str:
    try:
        store.users([1])
    except FeatureStoreError as error:
        return str(error)
    return ""


def test_a_change_of_the_registry_is_noticed_when_feasts_cache_has_expired(
    config: RepoConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(config, tmp_path / "v1")
    store = OnlineStore(config)
    first = store._reads
    assert len(store.users([1, 2])) == 2

    with monkeypatch.context() as patched:
        patched.setattr(spec, "ALPHA", 0.2)
        apply(config, tmp_path / "v2")
    eventually(lambda: "rebuild the features and run `feast apply`" in refused(store))

    apply(config, tmp_path / "v3")
    eventually(lambda: refused(store) == "")
    assert store._reads is not first
    assert len(store.users([1, 2])) == 2


def test_reads_go_on_when_the_registry_cannot_be_read(config: RepoConfig, tmp_path: Path) -> None:
    apply(config, tmp_path / "v1")
    store = OnlineStore(config)
    before = store.users([1])
    (tmp_path / "registry.db").write_bytes(b"no registry")
    end = time.monotonic() + 3 * LIFETIME
    while time.monotonic() < end:
        assert store.users([1]).equals(before)
        time.sleep(0.1)
