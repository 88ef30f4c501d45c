"""A person's own `feast` commands use the configuration that recstack uses, in any state of the store."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from checkout import ROOT
from feast import FeatureStore
from feast.feature_view import FeatureViewState
from workspace import PLANTED_USER, Workspace

from recstack import columns as c
from recstack.errors import UserError
from recstack.feature_store import feast_version
from recstack.feature_store.config import feast_options, online_config, repo_config, write_config
from recstack.feature_store.feast_version import require_feast
from recstack.feature_store.generations import FeatureStoreError, view_name
from recstack.feature_store.offline import historical
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import materialize
from recstack.features import spec
from recstack.settings import Settings

SECRET = "127.0.0.1:1,password=secret"


def test_the_committed_configuration_is_that_of_the_default_settings() -> None:
    committed = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    for part in ("registry", "online_store"):
        committed[part]["path"] = str((ROOT / "feature_repo" / committed[part]["path"]).resolve())
    defaults = Settings.model_construct(recstack_home=ROOT / ".recstack")  # whatever the environment says
    assert committed == feast_options(defaults)


def test_the_written_configuration_is_the_one_in_use_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(recstack_home=tmp_path, dataset="shop", feast_online=SECRET, feast_stock=False)
    path = write_config(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load(path.read_text())
    assert written["online_store"] == {
        "type": "recstack.feature_store.feast_redis.store.ColumnarOnlineStore",
        "connection_string": SECRET,
    }
    assert written["batch_engine"] == {"type": "recstack.feature_store.engine.NewestRowsEngine"}
    assert written["project"] == "shop"
    assert written["registry"]["path"].startswith(str(tmp_path))


def test_the_configuration_is_private_while_it_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    replace = os.replace

    def look(draft: Path, path: Path) -> None:
        modes.append(draft.stat().st_mode & 0o777)
        replace(draft, path)

    monkeypatch.setattr(os, "replace", look)
    write_config(Settings(recstack_home=tmp_path, dataset="shop", feast_online=SECRET))
    assert modes == [0o600]


def test_the_stock_setting_names_feasts_own_stores_alone(tmp_path: Path) -> None:
    settings = Settings(recstack_home=tmp_path, dataset="shop", feast_online=SECRET, feast_stock=True)
    options = feast_options(settings)
    assert options["online_store"] == {"type": "redis", "connection_string": SECRET}
    assert options["offline_store"] == {"type": "duckdb"}
    assert write_config(settings).read_text().count("recstack.") == 1, "the engine, which uses documented parts alone"


def test_another_version_of_feast_is_refused_with_the_setting_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_feast("0.67.9")
    with monkeypatch.context() as patched:
        patched.setattr(feast_version, "version", lambda package: "0.68.0")
        for online in ("sqlite", SECRET):
            own = Settings(recstack_home=tmp_path, dataset="shop", feast_online=online, feast_stock=False)
            with pytest.raises(UserError) as refusal:
                repo_config(own)
            assert "need Feast 0.67, and 0.68.0 is installed: set FEAST_STOCK=true" in str(refusal.value)
            assert "\n" not in str(refusal.value)
            repo_config(own.model_copy(update={"feast_stock": True}))
            online_config(own.model_copy(update={"feast_stock": True}))


@pytest.mark.parametrize("module", ["feast_duckdb", "feast_redis.store"])
def test_recstacks_own_classes_refuse_another_version_before_they_import_its_internals(
    tmp_path: Path, module: str
) -> None:
    metadata = tmp_path / "feast-0.68.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: feast\nVersion: 0.68.0\n")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-c", f"import recstack.feature_store.{module}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("set FEAST_STOCK=true to use Feast's stores instead")


def test_features_are_read_while_a_view_is_being_materialized(shop: Workspace, online_settings: Settings) -> None:
    before = OnlineStore(repo_config(online_settings)).users([PLANTED_USER, 1])
    store = FeatureStore(config=repo_config(online_settings))
    users, items = (view_name(owner, shop.features.manifest["generation"]) for owner in ("user", "item"))
    for name in (users, items):
        view = store.get_feature_view(name)
        view.state = FeatureViewState.MATERIALIZING
        store.registry.apply_feature_view(view, store.project, commit=True)
    reopened = FeatureStore(config=repo_config(online_settings))
    assert reopened.get_feature_view(users).state == FeatureViewState.MATERIALIZING
    assert OnlineStore(repo_config(online_settings)).users([PLANTED_USER, 1]).equals(before)
    with pytest.raises(ValueError, match="is in state 'MATERIALIZING' and cannot serve"):  # Feast's own read
        reopened.get_online_features([f"{users}:{c.RATING_COUNT}"], [{c.USER_ID: 1}])

    # A process that was killed while it materialized leaves this state behind; the next one must work all the same.
    materialize(online_settings, shop.features.path)
    reopened = FeatureStore(config=repo_config(online_settings))
    assert reopened.get_feature_view(users).state == FeatureViewState.AVAILABLE_ONLINE


def test_reads_beside_a_running_materialization_are_all_answered(
    shop: Workspace, online: OnlineStore, online_settings: Settings
) -> None:
    before = online.users([PLANTED_USER, 1, 2])
    loader = threading.Thread(target=materialize, args=(online_settings, shop.features.path))
    loader.start()
    same = []
    while loader.is_alive():
        same.append(online.users([PLANTED_USER, 1, 2]).equals(before))
    loader.join()
    assert len(same) > 1
    assert all(same)


def test_a_registry_without_the_service_is_refused_with_what_to_run(tmp_path: Path) -> None:
    empty = Settings(recstack_home=tmp_path, dataset="shop")
    write_config(empty)
    with pytest.raises(FeatureStoreError, match="'shop' has no feature rows: run the pipeline"):
        OnlineStore(repo_config(empty))


def test_features_of_another_schema_are_refused_with_what_to_run(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.table("user").slice(0, 1).select([c.USER_ID, c.EVENT_TIMESTAMP])
    monkeypatch.setattr(spec, "RECENT_LENGTH", 7)
    for read in (
        lambda: OnlineStore(repo_config(shop.settings)),
        lambda: historical(shop.settings, "user", first, shop.features.path),
    ):
        with pytest.raises(FeatureStoreError, match="have schema .*, (of which )?this code"):
            read()
