"""Opens the Spark session, sized for this machine, reads tables, and tells how far jobs are."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow.dataset as ds
from py4j.java_gateway import JavaGateway
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession

from recstack.errors import UserError
from recstack.progress import working

DEEP_STACKS: Final = "-Xss16m"
"""Each iteration of alternating least squares makes the plan deeper, which Java reads recursively."""
_lock: Final = threading.Lock()
_java: Final[list[JavaGateway]] = []
"""The one Java process of this Python process, once it runs; it outlives a session that is stopped."""


def open_session(master: str, driver_memory: str = "2g", shuffle_partitions: int = 8) -> SparkSession:
    """A session in UTC whose Python workers use this interpreter (Spark would take the system's python3).

    A local session listens on loopback alone. Spark's own log is off: errors reach the caller as exceptions.

    Raises:
        UserError: Java does not start.
    """
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    options = {
        "spark.app.name": "recstack",
        "spark.master": master,
        "spark.driver.memory": driver_memory,
        "spark.driver.extraJavaOptions": DEEP_STACKS,
        "spark.executor.extraJavaOptions": DEEP_STACKS,
        "spark.log.level": "OFF",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.legacy.parquet.nanosAsLong": "true",  # files of pandas: Spark would refuse the whole file
        "spark.sql.shuffle.partitions": str(shuffle_partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",  # `recstack.progress` shows it
        **_faster_arrow_batches(),
    }
    if master.startswith("local"):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        options |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    conf = SparkConf().setAll(list(options.items()))
    with _lock:
        if not _java:
            with working("starting Spark"):
                _start_java(conf)
        return SparkSession.builder.config(conf=conf).getOrCreate()


def read_table(spark: SparkSession, folder: Path) -> DataFrame:
    """A Parquet table that recstack wrote. PyArrow reads its schema: Spark would run a job for that."""
    empty = spark.createDataFrame(ds.dataset(folder).schema.empty_table())
    return spark.read.schema(empty.schema).parquet(str(folder))


def running_tasks(spark: SparkSession) -> Callable[[], tuple[int, int]]:
    """For `progress.working`: a function that returns how many tasks of the running stages are done, and of how many.

    Spark reads ahead in stages, so that the total grows while a job runs.
    """
    tracker = spark.sparkContext.statusTracker()

    def measure() -> tuple[int, int]:
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage is not None]
        return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)

    return measure


def _start_java(conf: SparkConf) -> None:
    """Start Spark's Java process; what it prints about its own start goes to a temporary file, not to the user."""
    with tempfile.TemporaryFile() as printed:
        try:
            gateway = launch_gateway(conf, {"stderr": printed})  # type: ignore[no-untyped-call]
        except PySparkRuntimeError as error:
            printed.seek(0)
            reason = printed.read().decode(errors="replace").strip()
            raise UserError(f"Spark could not start Java; Java said:\n{reason}") from error
    SparkContext(conf=conf, gateway=gateway)
    _java.append(gateway)


def _faster_arrow_batches() -> dict[str, str]:
    """Settings for jobs that exchange large Arrow batches with Python; benchmarks/user_genre_profile.py measures them.

    A batch has 10,000 rows; with a limit in bytes as well, Spark would add up the size of the batch after each row.
    Python workers keep the memory of arrays of some MB between batches instead of asking the system for it each time.
    """
    return {
        "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
        "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": str(1 << 28),
        "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    }
