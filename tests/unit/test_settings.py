import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from recstack.settings import LIBRARIES, Settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting in the environment, and no .env beside."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_need_no_server() -> None:
    settings = Settings()
    assert settings.lake == settings.workspace / "lake"
    assert (settings.feast_online, settings.feast_registry, settings.feast_offline) == ("sqlite", "file", "duckdb")


def test_state_lies_in_the_current_folder_wherever_recstack_is_installed(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.workspace == tmp_path / ".recstack" / "movielens_100k"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/.recstack/mlflow.db"
    assert settings.token_file == tmp_path / ".recstack" / "torchserve" / "key_file.json"
    assert settings.model_store == tmp_path / "model_store"


def test_libraries_keep_their_state_in_the_home_and_a_choice_of_the_user_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PREFECT_HOME", *LIBRARIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    monkeypatch.setattr(os, "environ", environment := dict(os.environ))
    Settings().prepare_libraries()
    assert environment["PREFECT_HOME"] == f"{tmp_path}/.recstack/prefect"
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"


def test_the_environment_overrides_defaults_and_the_caller_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATASET", "anime")
    monkeypatch.setenv("LAKE_URI", "/mnt/lake")
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path))
    assert Settings().workspace == tmp_path / "anime"
    assert Settings().lake == Path("/mnt/lake")
    assert Settings(dataset="music").workspace == tmp_path / "music"


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATASET=anime\nSOMETHING_ELSE=1\n")
    assert Settings().dataset == "anime"


def test_children_get_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNRELATED", "kept")
    parent = Settings(dataset="anime", recstack_home=tmp_path, feast_offline="spark", torchserve_keys=tmp_path / "k")
    environment = parent.child_environment()
    assert environment["UNRELATED"] == "kept"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings() == parent


def test_relative_paths_mean_the_same_folder_to_a_child_that_works_in_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parent = Settings(recstack_home=Path("state"), lake_uri=Path("lake"))
    paths = (parent.workspace, parent.lake.absolute(), parent.token_file)
    for name, value in parent.child_environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "another").mkdir()
    monkeypatch.chdir(tmp_path / "another")
    assert (Settings().workspace, Settings().lake, Settings().token_file) == paths


def test_settings_of_two_datasets_share_no_state(tmp_path: Path) -> None:
    one, other = (Settings(dataset=name, recstack_home=tmp_path) for name in ("anime", "music"))
    assert one.workspace != other.workspace
    assert one.lake != other.lake


def test_a_relative_home_stands_for_the_same_folder_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECSTACK_HOME", "state")
    assert Settings().workspace == tmp_path / "state" / "movielens_100k"
    assert Settings().tracking_uri == f"sqlite:///{tmp_path}/state/mlflow.db"


def test_settings_cannot_be_changed_in_passing() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().dataset = "anime"  # type: ignore[misc]


def test_an_unknown_offline_store_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_OFFLINE", "file")
    with pytest.raises(ValidationError, match="'duckdb' or 'spark'"):
        Settings()
