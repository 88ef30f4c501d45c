"""One machine publishes; another one, with an empty disk, gets everything from the object store."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from s3_server import BUCKET, S3Server

from recstack.cli import main
from recstack.data.adapters.base import configure
from recstack.data.ingest import ingest
from recstack.data.source_files import pull_source, push_source
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.storage.folders import ObjectStore
from recstack.storage.lake import Build, build_once, current
from recstack.storage.remote import ObjectStoreRemote

DATASET = "movielens_100k"
CODE = ["recstack.storage.remote"]


@pytest.fixture
def remote(s3: S3Server, request: pytest.FixtureRequest) -> ObjectStoreRemote:
    return ObjectStoreRemote(ObjectStore(f"s3://{BUCKET}/{request.node.name[:40]}", s3.endpoint), DATASET)


def publish(spark: SparkSession, remote: ObjectStoreRemote, home: Path) -> tuple[Build, Build]:
    """The first two steps of the pipeline on a machine whose source files are in the object store."""
    source, _ = pull_source(remote.object_store, DATASET, None, home / "downloads")
    ingested = ingest(spark, configure(DATASET, {}), source, home / "lake" / "interactions", remote)
    options = FeatureOptions(protocol="global-time", has_timestamps=True)
    return ingested, build_features(spark, ingested, home / "lake" / "features", options, remote)


def test_an_empty_machine_is_filled_and_computes_nothing(
    spark: SparkSession, remote: ObjectStoreRemote, source: Callable[[str], Path], tmp_path: Path
) -> None:
    push_source(remote.object_store, DATASET, source(DATASET))
    first = publish(spark, remote, tmp_path / "first")
    second = publish(spark, remote, tmp_path / "second")
    assert [build.fresh for build in first] == [True, True]
    assert [build.fresh for build in second] == [False, False]
    assert [build.manifest for build in second] == [build.manifest for build in first]
    assert [build.path.parent.parent for build in second] == [tmp_path / "second" / "lake"] * 2
    assert spark.read.parquet(str(second[1].path / "user")).count() == first[1].manifest["rows"]["user"]
    assert current(tmp_path / "second" / "lake" / "features").path == second[1].path


def test_what_another_machine_published_last_is_current_here_too(remote: ObjectStoreRemote, tmp_path: Path) -> None:
    def build(draft: Path) -> dict[str, int]:
        (draft / "genres").write_text("drama")
        return {}

    here, there = tmp_path / "here" / "features", tmp_path / "there" / "features"
    old = build_once(here, {"genres": 1}, build, made_by=CODE, remote=remote)
    new = build_once(there, {"genres": 2}, build, made_by=CODE, remote=remote)
    assert current(here).path == old.path
    remote.fetch_current(here)
    assert current(here).path == here / new.path.name


def test_a_version_that_could_not_be_pushed_is_pushed_by_the_next_run(
    remote: ObjectStoreRemote, tmp_path: Path
) -> None:
    def build(draft: Path) -> dict[str, int]:
        (draft / "rows").write_text("1 2 3")
        return {"rows": 3}

    offline = ObjectStoreRemote(ObjectStore(remote.object_store.address, "http://127.0.0.1:1", attempts=1), DATASET)
    done = build_once(tmp_path / "reports", {}, build, made_by=CODE)
    with pytest.raises(Exception, match="the object store does not answer"):
        build_once(tmp_path / "reports", {}, build, made_by=CODE, remote=offline)
    assert not build_once(tmp_path / "reports", {}, build, made_by=CODE, remote=remote).fresh
    assert remote.object_store.current(f"{DATASET}/reports") == done.path.name
    fetched = tmp_path / "another" / "reports" / done.path.name
    remote.fetch(fetched)
    assert (fetched / "rows").read_text() == "1 2 3"


def test_an_archive_comes_back_beside_the_others(remote: ObjectStoreRemote, tmp_path: Path) -> None:
    archive = tmp_path / "recstack-3.mar"
    archive.write_bytes(b"an archive")
    remote.store(archive)
    store = tmp_path / "model_store"
    remote.fetch(store / "recstack-3.mar")
    remote.fetch(store / "recstack-4.mar")  # never stored
    assert os.listdir(store) == ["recstack-3.mar"]
    assert (store / "recstack-3.mar").read_bytes() == b"an archive"


def test_source_files_are_pushed_and_pulled_by_the_command_line(
    s3: S3Server,
    source: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def recstack(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["recstack", "data", *arguments, "--dataset", DATASET])
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return int(end.value.code or 0), output.out + output.err

    files = source(DATASET)
    (files / "notes.txt").write_text("of no concern")
    monkeypatch.delenv("OBJECT_STORE", raising=False)
    code, output = recstack("push", "--data", str(files))
    assert (code, "recstack: no object store is named: set OBJECT_STORE=" in output) == (1, True)
    monkeypatch.setenv("OBJECT_STORE", f"s3://{BUCKET}/cli")
    monkeypatch.setenv("OBJECT_STORE_ENDPOINT", s3.endpoint)
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path / "home"))
    code, output = recstack("pull")
    assert (code, f"s3://{BUCKET}/cli/{DATASET}/source is not there" in output) == (1, True)
    code, output = recstack("push", "--data", str(files))
    assert (code, f"pushed {DATASET} to s3://{BUCKET}/cli: 2 files, 0.0 MB (0 were there) in " in output) == (0, True)
    code, output = recstack("pull", "--data", str(tmp_path / "back"))
    assert (code, f"pulled {DATASET} to {tmp_path}/back: 2 files, 0.0 MB (0 were there) in " in output) == (0, True)
    assert sorted(os.listdir(tmp_path / "back")) == ["ml-100k.inter", "ml-100k.item"]
    code, output = recstack("pull")
    assert (code, f"pulled {DATASET} to {tmp_path}/home/downloads/{DATASET}/" in output) == (0, True)
