"""A user who asked to be forgotten is in no file, no online row and no object afterwards, and does not come back."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from changing_log import Log, add, first_day
from feast import FeatureStore
from pyspark.sql import SparkSession
from s3_server import BUCKET, S3Server
from two_days import MONDAY, TUESDAY

from recstack import columns as c
from recstack.data.forgotten import forgotten_users
from recstack.data.ingest import ingest
from recstack.data.splits import TRAIN, VALIDATION
from recstack.erasure import forget as forgetting
from recstack.erasure.report import ErasureReport
from recstack.errors import UserError
from recstack.feature_store.config import repo_config
from recstack.feature_store.generations import generations
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import apply, materialize
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.features.training_users import TrainingFilter
from recstack.settings import Settings
from recstack.storage.folders import ObjectStore
from recstack.storage.lake import Build, current
from recstack.storage.remote import ObjectStoreRemote
from recstack.training.dataset import training_data

pytestmark = pytest.mark.xdist_group("forget")  # its fixtures are built once

FORGOTTEN = 4


@dataclass(frozen=True)
class Machine:
    """A lake with two days of a log, two generations online, and an object store with all of it."""

    spark: SparkSession
    settings: Settings
    remote: ObjectStoreRemote
    log: Log
    s3: S3Server

    @property
    def name(self) -> str:
        return f"u{FORGOTTEN:03d}" if self.log.words else str(FORGOTTEN)

    @property
    def number(self) -> int:
        return FORGOTTEN - 1 if self.log.words else FORGOTTEN

    def ingest(self, log: Log, home: Path | None = None) -> Build:
        lake = home or self.settings.lake
        listed = forgotten_users(lake, self.remote)
        return ingest(self.spark, log.dataset(), None, lake / "interactions", self.remote, forgotten=listed)

    def features(self, ingested: Build, log: Log) -> Build:
        options = FeatureOptions(
            protocol="global-time" if log.timed else "stratified",
            has_timestamps=log.timed,
            training_filter=TrainingFilter(lower_quantile=0, upper_quantile=1, min_range=0),
            alpha=log.alpha,
        )
        return build_features(self.spark, ingested, self.settings.lake / "features", options, self.remote)

    def forget(self, user: str | None = None) -> ErasureReport:
        return forgetting.forget(self.settings, self.spark, user or self.name, self.remote)

    def online_users(self) -> dict[str, set[int]]:
        """Users with a row, by generation."""
        config = repo_config(self.settings)
        names = generations(FeatureStore(config=config))
        found = {name: OnlineStore(config, name).users(range(0, 100)) for name in names}
        return {
            name: set(rows.filter(pc.is_valid(rows[c.RATING_COUNT]))[c.USER_ID].to_pylist())
            for name, rows in found.items()
        }


@pytest.fixture(params=["sqlite", "redis"])
def machine(
    request: pytest.FixtureRequest, spark: SparkSession, s3: S3Server, redis: str, tmp_path: Path
) -> Iterator[Machine]:
    words = request.param == "redis"
    settings = Settings(
        recstack_home=tmp_path / "home",
        dataset=f"forgetful{time.time_ns()}",  # a project of its own: Redis and the object store are shared
        lake_uri=None,
        feast_online="sqlite" if request.param == "sqlite" else f"{redis},db=9",
        feast_registry="file",
    )
    store = ObjectStore(f"s3://{BUCKET}/{settings.dataset}", s3.endpoint)
    remote = ObjectStoreRemote(store, settings.dataset)
    monday = first_day(timed=words, words=words)
    yield Machine(spark, settings, remote, monday, s3)


def two_days(machine: Machine) -> None:
    """Monday in another generation; Tuesday, with more of the log, is current."""
    other = replace(machine.log, alpha=0.3)
    first = machine.features(machine.ingest(other), other)
    apply(machine.settings, first.path, MONDAY)
    materialize(machine.settings, first.path)
    grown = add(machine.log)
    second = machine.features(machine.ingest(grown), grown)
    apply(machine.settings, second.path, TUESDAY)
    materialize(machine.settings, second.path)
    (machine.settings.recstack_home / "evaluations" / "stratified" / machine.settings.dataset / "lake").mkdir(
        parents=True
    )


def traces(machine: Machine, folder: Path) -> list[str]:
    """Every file of a folder with a cell or a text that is the user."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            columns = [name for name in (c.USER_ID, c.ORIGINAL_ID) if name in table.column_names]
            if file.parent.name == "user_ids":
                columns.remove(c.USER_ID)  # the number stays reserved
            who = {c.USER_ID: machine.number, c.ORIGINAL_ID: machine.name}
            if any(pc.any(pc.equal(table[name], pa.scalar(who[name], table[name].type))).as_py() for name in columns):
                found.append(str(file.relative_to(folder)))
        elif machine.log.words and machine.name.encode() in file.read_bytes():
            found.append(str(file.relative_to(folder)))
    return found


def objects(machine: Machine, folder: Path) -> Path:
    """All objects of the store as files."""
    prefix = machine.remote.object_store.address.removeprefix(f"s3://{BUCKET}/")
    for page in machine.s3.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
        for entry in page.get("Contents", []):
            file = folder / entry["Key"]
            file.parent.mkdir(parents=True, exist_ok=True)
            machine.s3.client.download_file(BUCKET, entry["Key"], str(file))
    return folder


def assert_forgotten(machine: Machine, tmp_path: Path) -> None:
    assert traces(machine, machine.settings.recstack_home) == []
    assert traces(machine, objects(machine, tmp_path / "objects")) == []
    online = machine.online_users()
    assert len(online) == 2
    assert all(machine.number not in users and len(users) >= 29 for users in online.values())
    assert not list((machine.settings.recstack_home / "evaluations").glob("*/*"))


def test_a_forgotten_user_is_gone_everywhere_and_stays_away(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_days(machine)
    assert traces(machine, machine.settings.recstack_home)
    assert all(machine.number in users for users in machine.online_users().values())
    before = machine.online_users()

    report = machine.forget()
    assert_forgotten(machine, tmp_path)
    assert {name: users | {machine.number} for name, users in machine.online_users().items()} == before
    text = "\n".join(report.lines())
    for part in ("interactions", "online store", "in the object store", "evaluations", "source files", "backups"):
        assert part in text
    assert not machine.log.words or machine.name not in text

    features = current(machine.settings.lake / "features")
    users = training_data(machine.settings, features, (TRAIN, VALIDATION)).users.ids
    assert machine.number not in users
    assert len(set(users.tolist())) >= 29
    again = machine.ingest(add(machine.log))
    assert again.fresh
    assert again.manifest["interactions"]["rejected"]["forgotten"] > 0
    empty = machine.ingest(add(machine.log), tmp_path / "empty machine" / "lake")
    assert empty.path.name == again.path.name, "another machine reads the list from the object store"
    assert traces(machine, machine.settings.recstack_home) == []

    assert machine.forget().removed == ()


def test_a_forget_that_was_killed_is_completed_by_the_next(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(machine)

    def killed_after(step: str, owner: Any = forgetting) -> None:
        real: Callable[..., Any] = getattr(owner, step)

        def step_then_end(*arguments: Any, **options: Any) -> None:
            real(*arguments, **options)
            raise KeyboardInterrupt(step)

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match=step):
            patched.setattr(owner, step, step_then_end)
            machine.forget()

    killed_after("publish")
    killed_after("without")
    killed_after("build_features")
    killed_after("remove_user_rows")
    killed_after("replace_tables")
    killed_after("remove", ObjectStoreRemote)
    killed_after("remove", forgetting.OldVersions)
    machine.forget()
    assert_forgotten(machine, tmp_path)


def test_an_unknown_user_is_an_error_and_changes_nothing(machine: Machine) -> None:
    with pytest.raises(UserError, match="there is nothing of the dataset"):
        machine.forget()
    build = machine.ingest(machine.log)
    with pytest.raises(UserError, match="no version of .* knows a user '999', so nothing was changed"):
        machine.forget("999")
    if not machine.log.words:
        with pytest.raises(UserError, match="have numbers for ids, and 'ann' is none"):
            machine.forget("ann")
    assert current(build.path.parent).path == build.path
    assert not forgotten_users(machine.settings.lake, machine.remote)
    machine.features(build, machine.log)  # not declared to Feast
    assert any("interactions" in line for line in machine.forget().removed)
    assert traces(machine, machine.settings.recstack_home) == []
