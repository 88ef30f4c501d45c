"""A reader of the online store follows changes of Feast's registry while it serves."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from feast import FeatureStore, Project, RepoConfig

from recstack.feature_store.generations import FeatureStoreError, service_name
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.views import declare
from recstack.features import spec, vocabulary
from recstack.storage.lake import MANIFEST, opened

LIFETIME = 1
"""Seconds until Feast's cache of the registry expires."""
OLD, NEW = "00000001", "00000002"


@pytest.fixture
def config(tmp_path: Path) -> RepoConfig:
    return RepoConfig(
        project="shop",
        provider="local",
        registry={"registry_type": "file", "path": str(tmp_path / "registry.db"), "cache_ttl_seconds": LIFETIME},
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        entity_key_serialization_version=3,
    )


def apply(config: RepoConfig, tables: Path, generation: str = OLD) -> None:
    tables.mkdir(exist_ok=True)
    vocabulary.save(tables, ("drama", "war"))
    (tables / MANIFEST).write_text(json.dumps({"generation": generation}))
    FeatureStore(config=config).apply([Project(name="shop"), *declare(opened(tables), "duckdb")])


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


def test_a_reader_without_a_generation_reads_the_newest_and_one_with_a_generation_stays_with_it(
    config: RepoConfig, tmp_path: Path
) -> None:
    apply(config, tmp_path / "v1")
    newest, old = OnlineStore(config), OnlineStore(config, OLD)
    assert newest.generation == old.generation
    assert newest.generation.vocabulary == ("drama", "war")
    apply(config, tmp_path / "v2", NEW)
    newest.users([1])
    old.users([1])
    eventually(lambda: len(newest.users([1])) == 1 and newest.generation.name == NEW)
    assert (old.generation.name, len(old.users([1, 2]))) == (OLD, 2)


def test_a_generation_that_was_dropped_is_noticed_when_feasts_cache_has_expired(
    config: RepoConfig, tmp_path: Path
) -> None:
    apply(config, tmp_path / "v1")
    apply(config, tmp_path / "v2", NEW)
    store = OnlineStore(config, OLD)
    FeatureStore(config=config).delete_feature_service(service_name(OLD))
    eventually(lambda: f"has no feature rows of generation {OLD}" in refused(store))
    apply(config, tmp_path / "v1")
    eventually(lambda: refused(store) == "")
    assert len(store.users([1, 2])) == 2


def test_rows_of_another_schema_than_the_codes_are_refused(
    config: RepoConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(spec, "RECENT_LENGTH", 7)
        apply(config, tmp_path / "v1")
    with pytest.raises(FeatureStoreError, match="generation 00000001 have schema .*: run the pipeline"):
        OnlineStore(config, OLD)


def test_reads_go_on_when_the_registry_cannot_be_read(config: RepoConfig, tmp_path: Path) -> None:
    apply(config, tmp_path / "v1")
    store = OnlineStore(config)
    before = store.users([1])
    (tmp_path / "registry.db").write_bytes(b"no registry")
    end = time.monotonic() + 3 * LIFETIME
    while time.monotonic() < end:
        assert store.users([1]).equals(before)
        time.sleep(0.1)
