import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from recstack.tracking.tracker import Tracker

SCRIPT = """
import sys
from mlflow.telemetry import get_telemetry_client
from recstack.tracking.tracker import Tracker

print("MLflow alone:", get_telemetry_client() is not None)
Tracker(f"sqlite:///{sys.argv[1]}/mlflow.db", "silent", f"file://{sys.argv[1]}/artifacts")
print("with the tracker:", get_telemetry_client() is not None)
"""


def test_the_tracker_turns_off_the_telemetry_that_mlflow_alone_would_send(
    open_tracker: Callable[[str], Tracker], mlflow_home: Path, tmp_path: Path
) -> None:
    open_tracker("silent")  # creates the database, which takes seconds
    # A user's shell sets none of the variables that silence MLflow in `make`, in CI and in tests.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(mlflow_home)],
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(path for path in sys.path if path)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["MLflow alone: True", "with the tracker: False"]
