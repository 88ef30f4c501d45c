"""Spark starts without a word of its own and tells how far its jobs are."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pyarrow as pa
from checkout import ROOT
from pyspark.sql import SparkSession

from recstack.spark import running_tasks

STARTED = """
from recstack.spark import open_session
print(open_session("local[1]", "512m", 1).range(3).count())
"""


def test_nothing_that_java_prints_at_its_start_reaches_the_user() -> None:
    command = [sys.executable, "-c", STARTED]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert result.stdout == "3\n"
    assert [line for line in result.stderr.splitlines() if not line.startswith("  starting Spark: ")] == []


def test_without_java_the_error_says_what_java_said() -> None:
    environment = {**os.environ, "JAVA_HOME": "/nonexistent"}
    command = [sys.executable, "-c", STARTED]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert "UserError: Spark could not start Java; Java said:\n" in result.stderr
    assert "/nonexistent/bin/java" in result.stderr


def test_the_tasks_of_a_running_job_are_counted(spark: SparkSession) -> None:
    def slowly(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:  # sent by value: workers lack this file
        time.sleep(0.3)
        yield from batches

    measure = running_tasks(spark)
    frame = spark.range(0, 6, numPartitions=6).mapInArrow(slowly, "id long")
    job = threading.Thread(target=frame.collect)
    job.start()
    seen = set()
    while job.is_alive():
        seen.add(measure())
        time.sleep(0.05)
    job.join()
    assert {total for _, total in seen} <= {0, 6}
    assert len({done for done, total in seen if total == 6}) > 1
    assert measure() == (0, 0)
