from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.telemetry import get_telemetry_client, set_telemetry_client, utils

from recstack.tracking.tracker import Tracker


def test_tracking_reports_to_nobody_where_mlflow_alone_would(
    open_tracker: Callable[[str], Tracker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A user's shell has none of what keeps MLflow silent in `make` and in tests.
    for name in ("CI", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(utils, "_IS_IN_CI_ENV_OR_TESTING", False)
    monkeypatch.setenv("HOME", str(tmp_path))  # where MLflow notes the number of an installation
    set_telemetry_client()
    assert get_telemetry_client() is not None

    open_tracker("silent")

    assert get_telemetry_client() is None
