"""Starts a flow run again if its process died, at most twice; finished steps are not repeated.

Two automations of the Prefect server do it, so that an alarm that is false does no harm:

1. A run that sends no heartbeat for `SILENCE` gets the state CRASHED. The server refuses that for a run that has ended,
   whatever its end was; it would not refuse SCHEDULED.
2. A run that the first one has marked, and no other, is scheduled again, unless it has been started `STARTS` times.
"""

import json
from datetime import timedelta
from typing import Any, Final

from prefect.automations import Automation, AutomationCore, EventTrigger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture

from recstack.storage.lake import digest

PREFIX: Final = "recstack: "
"""Of the names of all automations that are registered here."""
OLD_NAME: Final = "schedule runs again whose process died"
HEARTBEAT: Final = "prefect.flow-run.heartbeat"
DIED: Final = "ProcessDied"
"""Name of the state, and so of its event."""
NOT_RUNNING: Final = (
    *("Completed", "Failed", "TimedOut", "Cancelled", "Cancelling", "Crashed"),
    *("Paused", "Suspended", "AwaitingRetry", DIED),
)
"""States in which no heartbeat is expected. The list need not be complete: CRASHED is refused for ended runs."""
SILENCE: Final = timedelta(seconds=90)
"""Three missed heartbeats at PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30."""
STARTS: Final = 3
RUNS: Final = {"prefect.resource.id": "prefect.flow-run.*"}
DEPLOYED: Final = {"prefect.resource.role": "deployment"}
"""A step of the pipeline is a run of its own, without a deployment: its pipeline starts it again."""


def automations(silence: timedelta = SILENCE) -> list[AutomationCore]:
    """Both automations; `silence` is how long after its last heartbeat a run counts as dead."""
    mark = AutomationCore(
        name="mark runs whose process died",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in NOT_RUNNING)},
            match=RUNS,
            match_related=DEPLOYED,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                name=DIED,
                state=StateType.CRASHED,
                message=f"Its process died: no heartbeat for {silence.total_seconds():.0f} s. It is started again, but "
                f"not a fourth time: after {STARTS} starts find the cause (often too little memory) and run it again.",
            )
        ],
    )
    restart = AutomationCore(
        name="start them again",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{DIED}"},
            match={**RUNS, "prefect.run-count": [str(count) for count in range(STARTS)]},
            match_related=DEPLOYED,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            ChangeFlowRunState(
                name="AwaitingRetry", state=StateType.SCHEDULED, message="Its process died: no heartbeat."
            )
        ],
    )
    return [_named_by_contents(automation) for automation in (mark, restart)]


def starts_again(run: FlowRun) -> bool:
    """Whether a run is marked as dead and about to be scheduled again."""
    return run.state_name == DIED and run.run_count < STARTS


def register(wanted: list[AutomationCore]) -> None:
    """Register automations unless they are there, and remove those of other versions of this file.

    One that is there stays as it is: it may be waiting for the heartbeat of a run that died with this worker.
    """
    with get_client(sync_client=True) as client:
        there = {automation.name: automation for automation in _ours(client)}
        for name, automation in there.items():
            if name not in {each.name for each in wanted}:
                automation.delete()
    for each in wanted:
        if each.name not in there:
            Automation(**each.model_dump()).create()


def _ours(client: SyncPrefectClient) -> list[Automation]:
    found = client.request("POST", "/automations/filter", json={}).json()
    automations = [Automation.model_validate(each) for each in found]
    return [each for each in automations if each.name.startswith(PREFIX) or each.name == OLD_NAME]


def _named_by_contents(automation: AutomationCore) -> AutomationCore:
    version = digest(_in_order(json.loads(automation.model_dump_json())))[:8]
    return automation.model_copy(update={"name": f"{PREFIX}{automation.name} ({version})"})


def _in_order(value: Any) -> Any:
    """The same JSON with its lists sorted: those that were sets have another order in each process."""
    if isinstance(value, dict):
        return {key: _in_order(each) for key, each in value.items()}
    return sorted(map(_in_order, value), key=str) if isinstance(value, list) else value


def main() -> None:
    """Register both with the Prefect server."""
    register(automations())


if __name__ == "__main__":
    main()
