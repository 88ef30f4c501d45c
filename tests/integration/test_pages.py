import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from recstack.errors import UserError
from recstack.local.pages import start_pages, stop_pages
from recstack.settings import Settings


def free_page() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings(recstack_home=tmp_path, prefect_page=free_page(), mlflow_page=free_page())
    yield made
    stop_pages(made)


def pid(settings: Settings, page: str) -> int:
    return int(json.loads((settings.recstack_home / "web" / f"{page}.pid").read_text())["pid"])


def group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_pages_start_once_answer_and_end_together_and_a_failed_one_shows_its_log(settings: Settings) -> None:
    broken = settings.model_copy(update={"mlflow_tracking_uri": "no-such-store://x"})
    with pytest.raises(UserError, match=r"(?s)MLflow does not answer at .*mlflow\.log ends with:.*no-such-store"):
        start_pages(broken)
    prefect = pid(settings, "prefect")

    lines = start_pages(settings)
    assert lines == [f"Prefect  {settings.prefect_page}", f"MLflow   {settings.mlflow_page}"]
    assert httpx.get(f"{settings.prefect_page}/ui-settings").json()["api_url"] == f"{settings.prefect_page}/api"
    found = httpx.get(f"{settings.mlflow_page}/api/2.0/mlflow/experiments/search?max_results=5").json()
    assert [row["name"] for row in found["experiments"]] == ["Default"]
    assert (settings.recstack_home / "prefect" / "prefect.db").exists()
    mlflow = pid(settings, "mlflow")

    assert start_pages(settings) == lines
    assert (pid(settings, "prefect"), pid(settings, "mlflow")) == (prefect, mlflow)

    stop_pages(settings)
    assert not group_lives(prefect) and not group_lives(mlflow)
    assert list((settings.recstack_home / "web").glob("*.pid")) == []
    stop_pages(settings)


def test_a_taken_port_is_named_with_the_setting_that_changes_it(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = settings.model_copy(update={"prefect_page": f"http://127.0.0.1:{port}"})
        with pytest.raises(UserError, match=f"port {port} is taken by another process.*PREFECT_PAGE"):
            start_pages(taken)


def test_stopping_spares_a_process_that_has_the_number_of_an_ended_server(settings: Settings) -> None:
    web = settings.recstack_home / "web"
    web.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        (web / "mlflow.pid").write_text(
            json.dumps({"pid": other.pid, "started": psutil.Process(other.pid).create_time() - 60})
        )
        stop_pages(settings)
        assert other.poll() is None
        other.communicate(b"\n")
