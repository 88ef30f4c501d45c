import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.synthetic import Synthetic
from recstack.data.ingest import ingest
from recstack.data.splits import GLOBAL_TIME, STRATIFIED
from recstack.errors import UserError
from recstack.features import build as build_module
from recstack.features import vocabulary
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.storage.lake import Build, current

OPTIONS = FeatureOptions(protocol=GLOBAL_TIME, has_timestamps=True)
MADE_UP = Synthetic(n_users=30, n_items=24, n_genres=4, mean_ratings=8)

KILLED = """
import os, sys
from pathlib import Path
from recstack.errors import UserError
from recstack.features import build as build_module
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.storage.lake import opened
from recstack.spark import open_session

def stop_here(*arguments):
    print("half", flush=True)
    sys.stdin.read()

build_module.item.snapshots = stop_here  # interactions and user features are written by now
spark = open_session("local[1]", "512m", 1)
options = FeatureOptions(protocol="global-time", has_timestamps=True)
build_features(spark, opened(Path(sys.argv[1])), Path(sys.argv[2]), options)
"""


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return ingest(spark, MADE_UP, None, tmp_path_factory.mktemp("interactions"))


@pytest.fixture(scope="module")
def built(spark: SparkSession, ingested: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_features(spark, ingested, tmp_path_factory.mktemp("features"), OPTIONS)


@pytest.fixture(scope="module")
def rebuilt(spark: SparkSession, ingested: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Built without time, where an older version already gave two genres their positions."""
    root = tmp_path_factory.mktemp("rebuilt")
    old = root / "0000"
    old.mkdir()
    vocabulary.save(old, ("zither", "genre 002"))
    (old / "manifest.json").write_text("{}")
    (root / "CURRENT").write_text(old.name)
    options = FeatureOptions(protocol=STRATIFIED, has_timestamps=True)
    return build_features(spark, ingested, root, options)


def no_work(*arguments: object, **options: object) -> None:
    raise AssertionError("it was computed again")


def test_the_manifest_counts_what_was_written(built: Build) -> None:
    rows = built.manifest["rows"]
    assert set(rows) == {"interactions", "user", "item", "training_users", "training_users_all"}
    for name, count in rows.items():
        assert len(pq.read_table(built.path / name)) == count
    assert sum(built.manifest["split"].values()) == rows["interactions"]
    assert built.manifest["has_timestamps"] is True
    assert built.manifest["inputs"]["protocol"] == GLOBAL_TIME


def test_the_same_input_and_options_are_built_once(
    spark: SparkSession, ingested: Build, built: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "assign", no_work)
    again = build_features(spark, ingested, built.path.parent, OPTIONS)
    assert (again.path, again.fresh) == (built.path, False)
    with pytest.raises(AssertionError, match="computed again"):
        build_features(spark, ingested, built.path.parent, OPTIONS.model_copy(update={"snapshot_every": "day"}))


def test_an_error_in_the_middle_leaves_nothing(
    spark: SparkSession, ingested: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module.item, "snapshots", no_work)
    with pytest.raises(AssertionError, match="computed again"):
        build_features(spark, ingested, tmp_path, OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_in_the_middle_leaves_nothing_readable_and_the_next_run_finishes(
    spark: SparkSession, ingested: Build, built: Build, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(ingested.path), str(tmp_path)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    os.killpg(process.pid, signal.SIGKILL)  # its JVM too
    process.wait()
    (draft,) = tmp_path.iterdir()
    assert (draft / "user").exists() and not (draft / "manifest.json").exists()
    with pytest.raises(FileNotFoundError, match="nothing was built yet"):
        current(tmp_path)

    again = build_features(spark, ingested, tmp_path, OPTIONS)
    assert again.fresh
    assert not draft.exists()
    assert again.manifest["rows"] == built.manifest["rows"]


def test_new_genres_come_after_those_of_the_version_before(rebuilt: Build) -> None:
    assert vocabulary.load(rebuilt.path) == ("zither", "genre 002", "genre 000", "genre 001", "genre 003")
    for profile in pq.read_table(rebuilt.path / "user")[c.GENRE_PROFILE].to_pylist():
        assert len(profile) == 5
        assert profile[0] == 5.0  # nothing carries the first any more


def test_an_experiment_gives_genres_positions_that_do_not_depend_on_what_was_built_before(
    spark: SparkSession, ingested: Build, rebuilt: Build, built: Build
) -> None:
    fresh = build_features(spark, ingested, rebuilt.path.parent, OPTIONS, keep_positions=False)
    assert vocabulary.load(fresh.path) == vocabulary.load(built.path)
    assert fresh.path.name == built.path.name


def test_when_the_version_that_gave_genres_their_positions_is_gone_the_error_says_what_to_do(
    spark: SparkSession, ingested: Build, tmp_path: Path
) -> None:
    (tmp_path / "CURRENT").write_text("0000")
    with pytest.raises(UserError, match=r"CURRENT names the version '0000', which is not there: restore .* remove"):
        build_features(spark, ingested, tmp_path, OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["CURRENT"]


def test_a_split_that_ignores_time_makes_the_features_ignore_it_too(rebuilt: Build) -> None:
    assert rebuilt.manifest["has_timestamps"] is False
    table = pq.read_table(rebuilt.path / "user")
    assert len(table) == MADE_UP.n_users
    assert table[c.LAST_INTERACTION].null_count == MADE_UP.n_users
