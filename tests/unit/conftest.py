"""A real MLflow on SQLite: making its tables takes seconds, so tests share it under experiments of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recstack.tracking.tracker import Tracker


@pytest.fixture(scope="session")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def open_tracker(mlflow_home: Path) -> Callable[[str], Tracker]:
    """Opens the tracker of an experiment."""
    return lambda name: Tracker(f"sqlite:///{mlflow_home}/mlflow.db", name, (mlflow_home / "artifacts").as_uri())
