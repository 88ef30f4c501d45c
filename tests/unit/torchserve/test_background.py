import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from recstack.torchserve import background
from recstack.torchserve.background import BackgroundServer, ServerError

SERVE = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
CHILD_THAT_IGNORES_THE_REQUEST_TO_END = """
import signal, subprocess, sys
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
child.stdout.readline()
"""


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def server(home: Path, code: str = SERVE) -> BackgroundServer:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    return BackgroundServer(
        name="Files",
        command=(sys.executable, "-c", code, str(port)),
        home=home,
        environment=os.environ,
        addresses={"FILES_PAGE": url},
        answers=partial(answers, url),
    )


@pytest.fixture
def files(tmp_path: Path) -> Iterator[BackgroundServer]:
    made = server(tmp_path)
    yield made
    made.stop()


def test_a_server_runs_until_it_is_stopped(files: BackgroundServer) -> None:
    files.launch()
    files.wait_until_it_answers(30)
    process = files.process
    assert process is not None
    files.stop()
    assert not process.is_running()
    assert files.process is None
    assert not files.answers()
    files.stop()


def test_another_process_on_the_port_is_named_with_the_setting_that_changes_it(files: BackgroundServer) -> None:
    files.launch()
    files.wait_until_it_answers(30)
    with pytest.raises(ServerError, match="Files can't start: port [0-9]+ is taken .* or set FILES_PAGE to an address"):
        files.launch()


def test_a_server_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = server(tmp_path, "raise SystemExit('no room left')")
    broken.launch()
    with pytest.raises(ServerError, match=r"(?s)Files does not answer at http.*files\.log ends with:.*no room left"):
        broken.wait_until_it_answers(30)


def test_a_server_that_does_not_answer_in_time_is_reported(tmp_path: Path) -> None:
    slow = server(tmp_path, "import time; time.sleep(600)")
    slow.launch()
    with pytest.raises(ServerError, match="Files does not answer"):
        slow.wait_until_it_answers(0.5)
    slow.stop()
    assert slow.process is None


def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "STOP_SECONDS", 1)
    stubborn = server(tmp_path, CHILD_THAT_IGNORES_THE_REQUEST_TO_END + SERVE)
    stubborn.launch()
    stubborn.wait_until_it_answers(30)
    assert stubborn.process is not None
    tree = [stubborn.process, *stubborn.process.children(recursive=True)]
    assert len(tree) == 2
    stubborn.stop()
    assert [each for each in tree if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
