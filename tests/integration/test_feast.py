"""The `feast` command on feature_repo, as in any Feast project."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from feast import FeatureStore
from workspace import CLOSING, PLANTED_USER, Workspace

from recstack import columns as c
from recstack.feature_store.config import repo_config, write_config
from recstack.feature_store.generations import FeatureStoreError, drop_generations, service_name, view_name
from recstack.feature_store.offline import historical
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import applied_tables, apply, materialize, next_horizon
from recstack.features import spec
from recstack.settings import Settings
from recstack.storage.lake import MANIFEST


def feast(settings: Settings, *arguments: str) -> str:
    """Run the command in feature_repo, with the settings in the environment."""
    environment = settings.child_environment() | {"FEAST_FS_YAML_FILE_PATH": str(write_config(settings))}
    command = [str(Path(sys.executable).with_name("feast")), *arguments]
    done = subprocess.run(
        command, cwd=ROOT / "feature_repo", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def declared(settings: Settings) -> Any:
    """The content of the registry, without the command's list of online tables."""
    content = FeatureStore(config=repo_config(settings)).registry.to_dict(settings.dataset)
    return without_times({kind: value for kind, value in content.items() if kind != "infra"})


def without_times(registry: Any) -> Any:
    """A registry's content without the times at which it was written."""
    if isinstance(registry, dict):
        return {key: without_times(value) for key, value in registry.items() if not key.endswith("Timestamp")}
    if isinstance(registry, list):
        return [without_times(value) for value in registry]
    return registry


def in_folder(shop: Workspace, home: Path, stock: bool) -> Workspace:
    """The shop's tables with a Feast registry and an online store below `home`; `stock`: by Feast's own classes."""
    chosen = {"recstack_home": home, "lake_uri": shop.settings.lake, "feast_stock": stock}
    return replace(shop, settings=shop.settings.model_copy(update=chosen))


@pytest.fixture(scope="module")
def own(shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return in_folder(shop, tmp_path_factory.mktemp("own"), stock=False)


both_classes = pytest.mark.parametrize("stock", [False, True], ids=["own classes", "stock classes"])


def test_apply_on_the_command_line_declares_what_recstack_declares(own: Workspace) -> None:
    apply(own.settings, own.features.path)
    before = declared(own.settings)
    feast(own.settings, "apply")
    assert declared(own.settings) == before


@both_classes
def test_materialize_on_the_command_line_fills_the_online_store(shop: Workspace, tmp_path: Path, stock: bool) -> None:
    settings = in_folder(shop, tmp_path, stock).settings
    apply(settings, shop.features.path)
    feast(settings, "materialize", "1970-01-01T00:00:00", datetime.fromtimestamp(CLOSING, UTC).isoformat())
    online = OnlineStore(repo_config(settings))
    assert online.users([PLANTED_USER])[c.RATING_COUNT].to_pylist() == [4]
    assert online.items([3])[c.TYPE].to_pylist() == ["TV"]


@both_classes
def test_apply_and_materialize_print_nothing_of_feasts(
    shop: Workspace, tmp_path: Path, stock: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = in_folder(shop, tmp_path, stock).settings
    apply(settings, shop.features.path, datetime.fromtimestamp(CLOSING, UTC))
    materialize(settings, shop.features.path)
    assert capfd.readouterr() == ("", "")


def another_generation(shop: Workspace, folder: Path) -> Path:
    """The shop's tables under the name of another generation."""
    copied = folder / "another"
    shutil.copytree(shop.features.path, copied)
    manifest = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps(manifest | {"generation": "aaaaaaaa"}))
    return copied


def test_another_generation_stands_beside_the_old_one_until_it_is_dropped(shop: Workspace, tmp_path: Path) -> None:
    settings, old = in_folder(shop, tmp_path, stock=False).settings, shop.features.manifest["generation"]
    tables = another_generation(shop, tmp_path)
    for each in (shop.features.path, tables):
        apply(settings, each, next_horizon(settings, datetime.fromtimestamp(CLOSING, UTC)))
        materialize(settings, each)
    feast(settings, "apply")  # by hand, which declares the lake's newest tables: the old generation again
    for generation in (old, "aaaaaaaa"):
        online = OnlineStore(repo_config(settings), generation)
        assert online.users([PLANTED_USER])[c.RATING_COUNT].to_pylist() == [4]

    assert drop_generations(settings, keep=["aaaaaaaa"]) == []
    assert drop_generations(settings, keep=[]) == ["aaaaaaaa"]
    with pytest.raises(FeatureStoreError, match="no feature rows of generation aaaaaaaa"):
        OnlineStore(repo_config(settings), "aaaaaaaa")
    left = FeatureStore(config=repo_config(settings))
    assert {view.name for view in left.list_feature_views()} == {view_name("user", old), view_name("item", old)}
    assert {service.name for service in left.list_feature_services()} == {spec.SERVICE, service_name(old)}


def test_a_run_that_read_the_log_earlier_than_a_later_one_is_refused(shop: Workspace, tmp_path: Path) -> None:
    settings, noon = in_folder(shop, tmp_path, stock=False).settings, datetime.fromtimestamp(CLOSING, UTC)
    assert next_horizon(settings, noon.replace(microsecond=7)) == noon
    apply(settings, shop.features.path, noon)
    assert next_horizon(settings, noon) == noon + timedelta(seconds=1)
    assert next_horizon(settings, noon + timedelta(hours=1)) == noon + timedelta(hours=1)
    with pytest.raises(FeatureStoreError, match="a later run has loaded a log .*: run the pipeline again"):
        next_horizon(settings, noon - timedelta(seconds=1))


def test_the_commands_leave_nothing_in_the_repository(own: Workspace) -> None:
    left = sorted(path.name for path in (ROOT / "feature_repo").iterdir() if path.name != "__pycache__")
    assert left == ["definitions.py", "feature_store.yaml"]
    assert (own.settings.workspace / "feast" / "registry.db").exists()


def test_the_service_names_the_feature_tables_and_the_schema_that_were_applied(shop: Workspace) -> None:
    tags = FeatureStore(config=repo_config(shop.settings)).get_feature_service(spec.SERVICE).tags
    assert tags["feature_tables"] == shop.features.path.name
    assert tags["feature_schema"] == spec.schema_digest()
    assert tags["generation"] == shop.features.manifest["generation"]
    assert json.loads(tags["vocabulary"]) == list(shop.words)


def test_the_registry_says_which_tables_were_applied(shop: Workspace, tmp_path: Path) -> None:
    assert applied_tables(shop.settings) == shop.features.path
    with pytest.raises(FeatureStoreError, match="no feature tables of 'shop' were applied yet"):
        applied_tables(Settings(recstack_home=tmp_path, dataset="shop"))


def test_a_join_with_tables_that_were_not_applied_is_refused(shop: Workspace, tmp_path: Path) -> None:
    entities = shop.table("user").slice(0, 1).select([c.USER_ID, c.EVENT_TIMESTAMP])
    older = tmp_path / "older"
    shutil.copytree(shop.features.path, older)
    with pytest.raises(FeatureStoreError, match="not older: run `materialize` with the version"):
        historical(shop.settings, "user", entities, older)


def test_a_join_of_no_rows_has_the_same_columns_as_a_join_of_some(shop: Workspace) -> None:
    rows = pq.read_table(shop.features.path / "interactions")
    entities = pa.table({c.USER_ID: rows[c.USER_ID], c.EVENT_TIMESTAMP: rows[c.TIMESTAMP]})
    none = historical(shop.settings, "user", entities.slice(0, 0), shop.features.path)
    assert len(none) == 0
    assert none.schema == historical(shop.settings, "user", entities.slice(0, 5), shop.features.path).schema


def test_spark_joins_the_same_rows_as_duckdb(shop: Workspace, tmp_path: Path) -> None:
    rows = pq.read_table(shop.features.path / "interactions")
    entities = pa.table({c.USER_ID: rows[c.USER_ID], c.EVENT_TIMESTAMP: rows[c.TIMESTAMP]})
    changed = {"recstack_home": tmp_path, "lake_uri": shop.settings.lake, "feast_offline": "spark"}
    by_spark = shop.settings.model_copy(update=changed)
    apply(by_spark, shop.features.path)
    tables = shop.features.path
    expected = historical(shop.settings, "user", entities, tables)
    assert historical(by_spark, "user", entities, tables).equals(expected)


def test_reading_online_features_imports_no_library_that_joins(own: Workspace) -> None:
    apply(own.settings, own.features.path)
    code = (
        "import sys; from recstack.settings import Settings; from recstack.feature_store.config import online_config; "
        "from recstack.feature_store.online import OnlineStore; "
        "OnlineStore(online_config(Settings())).users([1]); "
        "print([name for name in ('dask', 'duckdb', 'ibis', 'pyspark') if name in sys.modules])"
    )
    environment = own.settings.child_environment()
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[]"
