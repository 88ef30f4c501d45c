"""Variants of the shop: without time, with held-out users, and with one more rating in the future of one user."""

import pytest
from pyspark.sql import SparkSession
from workspace import Shop, Workspace, open_shop

from recstack.data.splits import HELD_OUT_USERS


@pytest.fixture(scope="session")
def timeless_shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(spark, tmp_path_factory.mktemp("timeless"), has_timestamps=False)


@pytest.fixture(scope="session")
def held_out_shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(spark, tmp_path_factory.mktemp("held-out"), protocol=HELD_OUT_USERS)


@pytest.fixture(scope="session")
def surprised_shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(spark, tmp_path_factory.mktemp("surprised"), adapter=Shop(surprise=True))
