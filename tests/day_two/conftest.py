"""Both days of each mutation in one lake, and empty online stores beside it."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from changing_log import MUTATIONS, Log
from pyspark.sql import SparkSession
from redis_server import redis_server
from two_days import Day, TwoDays

from recstack.data.ingest import ingest
from recstack.features import spec
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.features.training_users import TrainingFilter
from recstack.settings import Settings
from recstack.storage.lake import current

STORES = ("sqlite", "redis", "stock redis")


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a real Redis; a busy machine may delay its answers beyond the budget of a server."""
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield f"{address},socket_timeout=10"


Compute = Callable[[Log, Path], Day]


@pytest.fixture(scope="session")
def compute(spark: SparkSession) -> Compute:
    """Ingests a log into a lake and builds its features, as the pipeline does."""

    def compute(log: Log, lake: Path) -> Day:
        with pytest.MonkeyPatch.context() as patched:
            if log.recent_length is not None:
                patched.setattr(spec, "RECENT_LENGTH", log.recent_length)
            interactions = lake / ("interactions-again" if log.renumbered else "interactions")
            ingested = ingest(spark, log.dataset(), None, interactions)
            options = FeatureOptions(
                protocol="global-time" if log.timed else "stratified",
                has_timestamps=log.timed,
                training_filter=TrainingFilter(lower_quantile=0, upper_quantile=1, min_range=0),
                alpha=log.alpha,
            )
            return Day(log, ingested, build_features(spark, ingested, lake / "features", options))

    return compute


@pytest.fixture(scope="session")
def timed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="session")
def first_day_in(compute: Compute, tmp_path_factory: pytest.TempPathFactory) -> Compute:
    """The same for the first day of a lake: equal logs are computed once and copied."""
    lakes: dict[str, Path] = {}

    def first_day_in(log: Log, lake: Path) -> Day:
        if str(log) not in lakes:
            lakes[str(log)] = tmp_path_factory.mktemp("first") / "lake"
            compute(log, lakes[str(log)])
        shutil.copytree(lakes[str(log)], lake)
        return Day(log, current(lake / "interactions"), current(lake / "features"))

    return first_day_in


@pytest.fixture(scope="session", params=MUTATIONS)
def two_days(
    request: pytest.FixtureRequest,
    timed: bool,
    compute: Compute,
    first_day_in: Compute,
    tmp_path_factory: pytest.TempPathFactory,
) -> TwoDays:
    lake = tmp_path_factory.mktemp("days") / "lake"
    mutation = MUTATIONS[request.param]
    first = mutation.first(timed)
    return TwoDays(first_day_in(first, lake), compute(mutation.change(first), lake), mutation.new_generation)


@pytest.fixture(params=STORES)
def settings(request: pytest.FixtureRequest, two_days: TwoDays, tmp_path: Path, redis: str) -> Settings:
    """Of an empty store beside the lake of both days."""
    online = "sqlite" if request.param == "sqlite" else f"{redis},db={STORES.index(request.param)}"
    return Settings(
        recstack_home=tmp_path,
        dataset=f"changing{time.time_ns()}",  # a project of its own: Redis is shared
        lake_uri=two_days.first.features.path.parents[1],
        feast_online=online,
        feast_registry="file",
        feast_stock=request.param == "stock redis",
    )
