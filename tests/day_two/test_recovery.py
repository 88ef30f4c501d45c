"""Prefect's real server restarts runs whose process died, and no run that has ended; alarms are made by silence."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from prefect_server import Prefect, prefect_server

from flows.operations.recovery import DIED, automations, register

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("recovery")]

SILENCE = timedelta(seconds=10)
"""The least that Prefect allows."""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        register(automations(SILENCE))
        yield server


def test_a_run_whose_process_died_is_started_again_twice_and_then_left_with_a_message(prefect: Prefect) -> None:
    run = prefect.start_run()
    for _ in range(2):
        prefect.heartbeat(run)
        prefect.wait_for(run, "AwaitingRetry")
        prefect.set_states(run, "PENDING", "RUNNING")
    prefect.heartbeat(run)
    state = prefect.wait_for(run, DIED)
    assert "after 3 starts find the cause" in state["message"]
    probe = prefect.start_run()  # by the time that it is restarted, the other one would have been
    prefect.heartbeat(probe)
    prefect.wait_for(probe, "AwaitingRetry")
    assert prefect.state(run)["name"] == DIED


def test_a_false_alarm_starts_no_run_that_has_ended(prefect: Prefect) -> None:
    ends = {prefect.start_run(): end for end in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")}
    for run, end in ends.items():
        prefect.set_states(run, end)
    ended = {run: prefect.state(run) for run in ends}
    for run in ends:
        prefect.heartbeat(run)  # sent before the end, but it arrives after it: then silence
    for _ in range(2):
        probe = prefect.start_run()
        prefect.heartbeat(probe)
        prefect.wait_for(probe, "AwaitingRetry")
    assert {run: prefect.state(run) for run in ends} == ended


def test_registering_again_changes_nothing_and_another_version_replaces_this_one(prefect: Prefect) -> None:
    def registered() -> dict[str, str]:
        return {each["name"]: each["id"] for each in prefect.call("POST", "/automations/filter", {})}

    before = registered()
    register(automations(SILENCE))
    assert registered() == before
    register(automations(2 * SILENCE))
    assert len(registered()) == 2
    assert not set(registered()) >= set(before)
    register(automations(SILENCE))
    assert registered().keys() == before.keys()
