"""What a person's own `feast` commands see is what recstack itself reads, whatever state the store is in."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from checkout import ROOT
from feast import FeatureStore
from feast.feature_view import FeatureViewState
from workspace import CLOSING, PLANTED_USER, Workspace

from recstack import columns as c
from recstack.feature_store.config import _config, repo_config, write_config
from recstack.feature_store.offline import historical
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import FeatureStoreError, materialize
from recstack.features import spec
from recstack.settings import Settings


def test_the_committed_configuration_is_that_of_the_default_settings() -> None:
    committed = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    for part in ("registry", "online_store"):
        committed[part]["path"] = str((ROOT / "feature_repo" / committed[part]["path"]).resolve())
    defaults = Settings.model_construct(recstack_home=ROOT / ".recstack")  # whatever the environment says
    assert committed == _config(defaults)


def test_the_written_configuration_is_the_one_in_use_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    settings = Settings(recstack_home=tmp_path, dataset="shop", feast_online="127.0.0.1:1,password=secret")
    path = write_config(settings)
    assert path.stat().st_mode & 0o077 == 0
    written = yaml.safe_load(path.read_text())
    assert written["online_store"] == {
        "type": "recstack.feature_store.feast_redis.store.ColumnarOnlineStore",
        "connection_string": "127.0.0.1:1,password=secret",
    }
    assert written["batch_engine"] == {"type": "recstack.feature_store.feast_redis.engine.ColumnarEngine"}
    assert written["project"] == "shop"
    assert written["registry"]["path"].startswith(str(tmp_path))


def test_features_are_read_while_a_view_is_being_materialized(shop: Workspace, online_settings: Settings) -> None:
    before = OnlineStore(repo_config(online_settings)).users([PLANTED_USER, 1])
    store = FeatureStore(config=repo_config(online_settings))
    for name in (spec.USER_VIEW, spec.ITEM_VIEW):
        view = store.get_feature_view(name)
        view.state = FeatureViewState.MATERIALIZING
        store.registry.apply_feature_view(view, store.project, commit=True)
    reopened = FeatureStore(config=repo_config(online_settings))
    assert reopened.get_feature_view(spec.USER_VIEW).state == FeatureViewState.MATERIALIZING
    assert OnlineStore(repo_config(online_settings)).users([PLANTED_USER, 1]).equals(before)
    with pytest.raises(ValueError, match="is in state 'MATERIALIZING' and cannot serve"):  # what Feast's own read does
        reopened.get_online_features([f"{spec.USER_VIEW}:{c.RATING_COUNT}"], [{c.USER_ID: 1}])

    # A process that was killed while it materialized leaves this state behind; the next one must get through it.
    materialize(online_settings, datetime.fromtimestamp(CLOSING, UTC))
    reopened = FeatureStore(config=repo_config(online_settings))
    assert reopened.get_feature_view(spec.USER_VIEW).state == FeatureViewState.AVAILABLE_ONLINE


def test_reads_beside_a_running_materialization_are_all_answered(
    online: OnlineStore, online_settings: Settings
) -> None:
    before = online.users([PLANTED_USER, 1, 2])
    loader = threading.Thread(target=materialize, args=(online_settings, datetime.fromtimestamp(CLOSING, UTC)))
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
    with pytest.raises(FeatureStoreError, match="'shop' has no service 'ranking': run `feast apply`"):
        OnlineStore(repo_config(empty))


def test_features_of_another_schema_are_refused_with_what_to_run(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.table("user").slice(0, 1).select([c.USER_ID, c.EVENT_TIMESTAMP])
    monkeypatch.setattr(spec, "ALPHA", 0.2)
    for read in (
        lambda: OnlineStore(repo_config(shop.settings)),
        lambda: historical(shop.settings, "user", first, shop.features.path),
    ):
        with pytest.raises(FeatureStoreError, match="rebuild the features and run `feast apply`"):
            read()
