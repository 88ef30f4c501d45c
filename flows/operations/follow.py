"""Starts the deployed pipeline, as its button in Prefect's page does, and follows it to its end."""

import os
import sys
import time
from functools import cache

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from flows.operations.recovery import starts_again
from recstack.progress import say, working
from recstack.settings import Settings

DEPLOYMENT = "pipeline/default"
POLL_SECONDS = 2


def main() -> None:
    """Exit with 0 if the run completes, else with the message of the step that failed."""
    settings = Settings()
    given = any(not name.startswith(".") for name in os.listdir("/data"))
    run = run_deployment(
        DEPLOYMENT, parameters={"dataset": settings.dataset, "data": "/data" if given else None}, timeout=0
    )
    print(f"pipeline run {run.name}: {settings.prefect_page}/runs/flow-run/{run.id}", flush=True)
    shown: dict[str, str] = {}
    with get_client(sync_client=True) as client, working("pipeline") as progress:
        names = cache(lambda flow: client.read_flow(flow).name)
        while True:
            run = client.read_flow_run(run.id)
            for step in [*_steps(client, run), run]:
                state = step.state_name or "?"
                if shown.get(str(step.id)) != state:
                    shown[str(step.id)] = state
                    took = step.total_run_time.total_seconds()
                    say(f"  {names(step.flow_id):<15} {state:<12} {took:6.0f} s")
                    progress.note(f"{names(step.flow_id)} is {state.lower()}")
            if run.state is not None and run.state.is_final() and not starts_again(run):
                break
            time.sleep(POLL_SECONDS)
    if not run.state.is_completed():
        sys.exit(f"the pipeline ended as {run.state.name}: {run.state.message}")


def _steps(client: SyncPrefectClient, run: FlowRun) -> list[FlowRun]:
    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
    return sorted(client.read_flow_runs(flow_run_filter=children), key=lambda step: step.start_time or step.created)


if __name__ == "__main__":
    main()
