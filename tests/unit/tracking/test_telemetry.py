import subprocess
import sys
from pathlib import Path

from checkout import ROOT

CHILD = """
import os, socket, sys, time

proxy = socket.create_server(("127.0.0.1", 0))
proxy.setblocking(False)
os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"

from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
from recstack.tracking.tracker import Tracker


def called():
    time.sleep(2)  # MLflow asks for the options of its telemetry in a thread
    try:
        proxy.accept()
    except BlockingIOError:
        return False
    return True


tracker = Tracker(f"sqlite:///{sys.argv[1]}/mlflow.db", "silent", f"{sys.argv[1]}/artifacts")
for step in ("as recstack runs", "with telemetry on again"):
    with tracker.run(step) as run:
        run.params({"seed": 1})
    print(step, called())
    MLFLOW_DISABLE_TELEMETRY.unset()
"""


def test_a_tracked_run_sends_no_telemetry_where_mlflow_alone_would(tmp_path: Path) -> None:
    # A user's own shell has none of the variables by which `make` and pytest keep MLflow silent.
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["as recstack runs False", "with telemetry on again True"]
