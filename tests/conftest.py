"""What many tests share: one Spark session, and small source files of every dataset."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import samples
from pyspark.sql import SparkSession

from recstack.spark import open_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session("local[2]", driver_memory="1g", shuffle_partitions=2)
    yield session
    session.stop()


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the sample files of a dataset into a new folder."""

    def write(dataset: str) -> Path:
        folder = tmp_path / dataset
        folder.mkdir()
        samples.writer(dataset)(folder)
        return folder

    return write
