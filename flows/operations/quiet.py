"""Keeps a deployment quiet: no flow run writes anything until this process ends or its standard input is closed.

`infra/backup.sh` runs it, so that copies of several stores, made one after the other, belong together. Answers go on.

1. The work pool is paused, so that no new run starts.
2. Runs that have started are waited for. Then the line `quiet` is printed.
3. When standard input ends, however its writer ended, the pool goes on, and what was scheduled meanwhile starts.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from recstack.progress import working

POOL: Final = "recstack"
AT_WORK: Final = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
"""States in which a run may write. A run whose process died leaves them when its heartbeats are missed."""
POLL_SECONDS: Final = 2


@contextmanager
def paused(pool: str = POOL) -> Iterator[None]:
    """Start no run of a work pool within the block, and wait until those that have started have ended.

    Raises:
        RuntimeError: the pool is paused already, and letting it go on afterwards could undo another's wish.
    """
    with get_client(sync_client=True) as client:
        if client.read_work_pool(pool).is_paused:
            raise RuntimeError(
                f"the work pool {pool} is paused already, by another backup or by hand: let it go on first"
                f" (prefect work-pool resume {pool})"
            )
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
        try:
            _wait_for_runs(client)
            yield
        finally:
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))


def _wait_for_runs(client: SyncPrefectClient) -> None:
    with working("waiting for flow runs to end") as step:
        while names := _at_work(client):
            step.note(", ".join(names))
            time.sleep(POLL_SECONDS)


def _at_work(client: SyncPrefectClient) -> list[str]:
    at_work = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=AT_WORK)))
    return [run.name for run in client.read_flow_runs(flow_run_filter=at_work)]


def main() -> None:
    """Keep quiet until standard input ends."""
    try:
        with paused():
            print("quiet", flush=True)
            sys.stdin.read()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
