"""What many tests share: one Spark session."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from recstack.spark import open_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = open_session("local[2]", driver_memory="1g", shuffle_partitions=2)
    yield session
    session.stop()
