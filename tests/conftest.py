"""Fixtures that many tests share: one Spark session, an S3 server, small source files of every dataset."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # matrices of tests are tiny; read when NumPy and PyTorch are imported
# Jobs of tests are short: Java's optimising compiler and its parallel collector cost more than they save.
os.environ.setdefault(
    "PYSPARK_SUBMIT_ARGS",
    "--conf 'spark.driver.defaultJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' pyspark-shell",
)

import pytest
import samples
from pyspark.sql import SparkSession
from s3_server import KEYS, S3Server
from workspace import Workspace, open_shop

from recstack.spark import open_session

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session("local[2]", driver_memory="1g", shuffle_partitions=2)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A small dataset with timestamps, applied to Feast; tests only read it."""
    return open_shop(spark, tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A running S3 server, with its keys in the environment; a test that kills it starts it again."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the sample files of a dataset into a new folder."""

    def write(dataset: str) -> Path:
        folder = tmp_path / dataset
        folder.mkdir()
        samples.writer(dataset)(folder)
        return folder

    return write


def _fail_instead_of_skip(report: Report) -> Report:
    """A skip would hide that something is not tested. Only a GPU may be missing."""
    if report.skipped and "no GPU" not in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _fail_instead_of_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _fail_instead_of_skip((yield))
