"""A worker that publishes, and one with nothing but the object store that is filled from it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness
from pyspark.sql import SparkSession
from s3_server import BUCKET, S3Server

from recstack.cli import main
from recstack.lake import MANIFEST, current, file_digest
from recstack.object_store import ObjectStoreError
from recstack.settings import Settings

DATASET = "movielens_100k"


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture
def worker(
    s3: S3Server, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Settings]:
    """Settings of a worker with volumes of its own; both use the same part of the object store."""
    monkeypatch.setenv("OBJECT_STORE", f"s3://{BUCKET}/{request.node.name[:20]}")
    monkeypatch.setenv("OBJECT_STORE_ENDPOINT", s3.endpoint)
    monkeypatch.delenv("LAKE_URI", raising=False)

    def start(name: str) -> Settings:
        monkeypatch.setenv("RECSTACK_HOME", str(tmp_path / name))
        monkeypatch.setenv("MODEL_STORE", str(tmp_path / name / "model_store"))
        return Settings(dataset=DATASET)

    return start


def recstack(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["recstack", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0


def test_an_empty_worker_is_filled_from_the_object_store(
    spark: SparkSession,
    worker: Callable[[str], Settings],
    source: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from flows.build_features import build_features
    from flows.ingest import ingest

    first = worker("first")
    recstack(monkeypatch, "data", "push", "--dataset", DATASET, "--data", str(source(DATASET)))
    assert "2 files, 0.0 MB (0 were there) in " in capsys.readouterr().out
    interactions = ingest(DATASET)  # not given, not downloaded
    features = build_features(interactions, DATASET)
    assert "unchanged" not in capsys.readouterr().out

    second = worker("second")
    again = build_features(ingest(DATASET), DATASET)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["pull", "pull", "ingest", "pull", "build_features"]
    assert sum("unchanged: " in line for line in lines) == 2, "computed, though the object store has it"
    assert again == second.lake / "features" / features.name
    assert file_digest(again) == file_digest(features)
    assert current(second.lake / "features").manifest == current(first.lake / "features").manifest
    assert (again / MANIFEST).read_text() == (features / MANIFEST).read_text()

    recstack(monkeypatch, "data", "pull", "--dataset", DATASET, "--data", str(second.workspace / "raw"))
    assert sorted(os.listdir(second.workspace / "raw")) == ["ml-100k.inter", "ml-100k.item"]


def test_an_archive_goes_to_the_object_store_and_comes_back(worker: Callable[[str], Settings]) -> None:
    from flows.mirror import mirror_of

    first = worker("first")
    archive = first.model_store / "recstack-3.mar"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"an archive")
    mirror_of(first).keep(archive)
    second = worker("second")
    mirror_of(second).bring(second.model_store / archive.name)
    assert os.listdir(second.model_store) == [archive.name]
    assert (second.model_store / archive.name).read_bytes() == b"an archive"
    mirror_of(second).bring(second.model_store / "recstack-4.mar")
    assert os.listdir(second.model_store) == [archive.name]


def test_wrong_keys_end_a_flow_at_once(worker: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.ingest import ingest

    worker("first")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    with pytest.raises(ObjectStoreError, match="the access key is unknown there"):
        ingest(DATASET)
