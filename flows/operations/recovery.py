"""Schedules a flow run again if its process died; finished steps are not repeated."""

from datetime import timedelta

from prefect.automations import Automation, EventTrigger
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound

NAME = "schedule runs again whose process died"
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
SILENCE = timedelta(seconds=90)
"""Three missed heartbeats at PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30."""


def main() -> None:
    """Register the automation with the Prefect server, unless it is there already."""
    try:
        Automation.read(name=NAME)
    except (ObjectNotFound, ValueError):
        Automation(
            name=NAME,
            trigger=EventTrigger(
                after={HEARTBEAT},
                expect={HEARTBEAT, *ENDS},
                match={"prefect.resource.id": "prefect.flow-run.*"},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=SILENCE,
            ),
            actions=[
                ChangeFlowRunState(
                    name="AwaitingRetry", state=StateType.SCHEDULED, message="Its process died: no heartbeat."
                )
            ],
        ).create()


if __name__ == "__main__":
    main()
