"""While a deployment is kept quiet no flow run writes; on Prefect's real server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest
from prefect_server import Prefect, prefect_server

from flows.operations.quiet import POOL

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("recovery")]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        server.call("POST", "/work_pools/", {"name": POOL, "type": "process"})
        yield server


def is_paused(prefect: Prefect) -> bool:
    return bool(prefect.call("GET", f"/work_pools/{POOL}")["is_paused"])


@contextmanager
def quiet(prefect: Prefect) -> Iterator[subprocess.Popen[str]]:
    """The process that a backup starts."""
    program = [sys.executable, "-m", "flows.operations.quiet"]
    environment = {**prefect.environment, "PREFECT_API_URL": prefect.url}
    with subprocess.Popen(
        program, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stream(of: IO[str] | None) -> IO[str]:
    assert of is not None
    return of


def test_it_is_quiet_once_the_runs_that_have_started_have_ended(prefect: Prefect) -> None:
    run = prefect.start_run()
    with quiet(prefect) as process:
        assert "waiting for flow runs to end" in stream(process.stderr).readline()
        assert is_paused(prefect)
        assert prefect.state(run)["type"] == "RUNNING"
        prefect.set_states(run, "COMPLETED")
        assert stream(process.stdout).readline() == "quiet\n"
        assert is_paused(prefect)
        stream(process.stdin).close()
        assert process.wait(60) == 0
    assert not is_paused(prefect)


def test_a_second_backup_is_refused_and_does_not_end_the_quiet_of_the_first(prefect: Prefect) -> None:
    with quiet(prefect) as first:
        assert stream(first.stdout).readline() == "quiet\n"
        with quiet(prefect) as second:
            assert second.wait(60) == 1
            assert "is paused already" in stream(second.stderr).read()
        assert is_paused(prefect)
        stream(first.stdin).close()
        assert first.wait(60) == 0
    assert not is_paused(prefect)
