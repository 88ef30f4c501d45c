"""Forgets a user who asked for it, and shows what was removed and what people still have to do."""

import time

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.console import say, show
from flows.remote import remote_of
from recstack.erasure.forget import forget as forget_user
from recstack.erasure.report import ErasureReport
from recstack.settings import Settings
from recstack.spark import open_session


@task(retries=1, retry_delay_seconds=5)
def remove(settings: Settings, user: str) -> ErasureReport:
    """Remove the user from everything; a second attempt completes the first."""
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    return forget_user(settings, spark, user, remote_of(settings))


@flow(name="forget")
def forget(user: str | int, dataset: str = "movielens_100k") -> None:
    """Remove a user from the lake, the online store and the object store, and keep them out.

    Prefect keeps the id as a parameter of the run: delete the run when its report is filed.

    Args:
        user: the id as the source files have it, a word or a number.
        dataset: the user's dataset.
    """
    settings = Settings(dataset=dataset)
    start = time.monotonic()
    report = remove(settings, str(user))
    for line in report.lines():
        show(line)
    say("forget", f"{len(report.removed)} removed, {len(report.to_do)} left to do", time.monotonic() - start, dataset)
    rows = [{"state": state, "what": what} for state in ("removed", "to_do") for what in getattr(report, state)]
    create_table_artifact(
        rows, key=f"{dataset.replace('_', '-')}-forgotten", description="A user who asked to be forgotten"
    )
