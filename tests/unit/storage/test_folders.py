import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from s3_server import BUCKET, S3Server

from recstack.storage.folders import FolderNotFound, ObjectStore, Transfer
from recstack.storage.lake import file_digest
from recstack.storage.s3 import ObjectStoreError, StoreUnreachable

MB = 1 << 20


@pytest.fixture
def store(s3: S3Server, request: pytest.FixtureRequest) -> ObjectStore:
    """A prefix of its own for each test."""
    return ObjectStore(f"s3://{BUCKET}/{request.node.name[:30]}", s3.endpoint, attempts=2)


def fill(folder: Path, count: int, size: int) -> Path:
    """Files of random bytes, two levels deep."""
    for number in range(count):
        path = folder / f"part={number % 3}" / f"{number:03d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


@contextmanager
def killed_when(s3: S3Server, condition: Callable[[], bool]) -> Iterator[None]:
    """Kills the server when the condition holds while the block runs, and starts it again at the end."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        s3.kill()

    watch = threading.Thread(target=wait)
    watch.start()
    try:
        yield
    finally:
        watch.join()
        s3.start()


def test_a_folder_is_the_same_after_a_push_and_a_pull(store: ObjectStore, s3: S3Server, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 60, 3000)
    (folder / "large.bin").write_bytes(os.urandom(40 * MB))
    (folder / "_SUCCESS").touch()
    pushed = store.push(folder, "features/v1")
    assert (pushed.files, pushed.moved, pushed.size) == (62, 62, 60 * 3000 + 40 * MB)
    large = next(name for name in s3.names(store.address.removeprefix(f"s3://{BUCKET}/")) if name.endswith("large.bin"))
    assert s3.client.head_object(Bucket=BUCKET, Key=large)["ETag"].endswith('-3"'), "not moved in parts"
    pulled = store.pull("features/v1", tmp_path / "back" / "v1")
    assert pulled.moved == 62
    assert file_digest(tmp_path / "back" / "v1") == file_digest(folder)
    assert os.listdir(tmp_path / "back") == ["v1"]


def test_a_second_push_or_pull_moves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 5, 100)
    store.push(folder, "x")
    assert store.push(folder, "x").moved == 0
    assert store.pull("x", tmp_path / "back").moved == 5
    assert store.pull("x", tmp_path / "back").moved == 0


def test_a_push_uploads_only_changed_files_of_those_that_it_names(store: ObjectStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 3, 100)
    (folder / "notes.txt").write_text("not named")
    store.push(folder, "x", [folder / "part=0", folder / "part=1"])
    (folder / "part=0" / "000.bin").write_bytes(b"new")
    assert store.push(folder, "x", [folder / "part=0", folder / "part=1"]).moved == 1
    store.pull("x", tmp_path / "back")
    assert (tmp_path / "back" / "part=0" / "000.bin").read_bytes() == b"new"
    assert not (tmp_path / "back" / "notes.txt").exists()


def test_a_folder_with_other_files_is_left_alone(store: ObjectStore, tmp_path: Path) -> None:
    store.push(fill(tmp_path / "out", 2, 100), "x")
    mine = fill(tmp_path / "mine", 2, 100)
    with pytest.raises(ObjectStoreError, match="has other files in it than .*: move it away first"):
        store.pull("x", mine)


def test_a_pull_of_a_folder_that_was_never_pushed_says_so(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FolderNotFound, match="is not there, or its push did not finish: push it first"):
        store.pull("x", tmp_path / "back")
    with pytest.raises(ObjectStoreError, match="no files in .* to push"):
        store.push(tmp_path / "nothing", "x")


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("AWS_ACCESS_KEY_ID", "the access key is unknown there: check AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "the secret key is wrong: check AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_wrong_keys_are_named(
    variable: str, message: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "wrong")
    store = ObjectStore(f"s3://{BUCKET}/keys", s3.endpoint)
    with pytest.raises(ObjectStoreError, match=message):
        store.push(fill(tmp_path / "out", 1, 10), "x")
    with pytest.raises(ObjectStoreError, match=message):
        store.pull("x", tmp_path / "back")


def test_missing_keys_are_named(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(ObjectStoreError, match="there are no keys: set AWS_ACCESS_KEY_ID"):
        ObjectStore(f"s3://{BUCKET}", s3.endpoint).pull("x", tmp_path / "back")


def test_a_missing_bucket_is_named(s3: S3Server, tmp_path: Path) -> None:
    store = ObjectStore("s3://no-such-bucket/x", s3.endpoint, attempts=2)
    with pytest.raises(ObjectStoreError, match="no-such-bucket.*the bucket does not exist: create it"):
        store.push(fill(tmp_path / "out", 1, 10), "x")
    with pytest.raises(ObjectStoreError, match="no-such-bucket.*the bucket does not exist: create it"):
        store.pull("x", tmp_path / "back")


def test_a_store_that_is_down_is_named(s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match=r"\(http://127.0.0.1:1\): the object store does not answer"):
        ObjectStore(f"s3://{BUCKET}", "http://127.0.0.1:1", attempts=2).pull("x", tmp_path / "back")


@pytest.mark.parametrize("address", ["lake/archives", "http://lake", "s3://", "", None])
def test_an_address_that_is_not_s3_is_refused(address: str | None) -> None:
    with pytest.raises(ObjectStoreError, match="s3://bucket/prefix"):
        ObjectStore(address)


def test_a_push_waits_while_the_server_restarts(s3: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ObjectStore(f"s3://{BUCKET}/restart", s3.endpoint)
    s3.kill()
    restart = threading.Timer(1, s3.start)
    restart.start()
    pushed = store.push(fill(tmp_path / "out", 3, 100), "x")
    restart.join()
    assert pushed.moved == 3
    assert "the object store does not answer" in caplog.text
    assert "next attempt in" in caplog.text


def test_a_push_whose_server_is_killed_shows_nothing_and_is_finished_by_the_next(
    store: ObjectStore, s3: S3Server, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "out", 60, MB // 4)
    prefix = store.address.removeprefix(f"s3://{BUCKET}/")
    with (
        killed_when(s3, lambda: len(s3.names(prefix)) > 5),
        pytest.raises(StoreUnreachable, match="does not answer"),
    ):
        store.push(folder, "x")
    assert store.contents("x") is None
    again = store.push(folder, "x")
    assert 0 < again.moved < 60
    store.pull("x", tmp_path / "back")
    assert file_digest(tmp_path / "back") == file_digest(folder)


def test_a_pull_whose_server_is_killed_shows_nothing_and_is_finished_by_the_next(
    store: ObjectStore, s3: S3Server, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "out", 60, MB // 4)
    store.push(folder, "x")
    target, draft = tmp_path / "back" / "x", tmp_path / "back" / ".pull-x"
    with killed_when(s3, lambda: len(list(draft.rglob("*.bin"))) > 5), pytest.raises(StoreUnreachable):
        store.pull("x", target)
    assert not target.exists()
    (draft / "half.bin.1234").write_bytes(b"incomplete")
    again = store.pull("x", target)
    assert 0 < again.moved < 60
    assert file_digest(target) == file_digest(folder)
    assert not draft.exists()


def test_an_object_that_was_changed_is_refused(store: ObjectStore, s3: S3Server, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 3, 100)
    store.push(folder, "x")
    key = next(name for name in s3.names(store.address.removeprefix(f"s3://{BUCKET}/")) if name.endswith("001.bin"))
    s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"?" * 100)
    with pytest.raises(ObjectStoreError, match="001.bin does not have the checksum .*: delete this object and push"):
        store.pull("x", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    s3.client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(ObjectStoreError, match="an object is missing that the manifest names: push the folder again"):
        store.pull("x", tmp_path / "back")
    assert store.push(folder, "x").moved == 1
    assert store.pull("x", tmp_path / "back").moved == 1


def test_a_manifest_that_names_files_outside_of_its_folder_is_refused(
    store: ObjectStore, s3: S3Server, tmp_path: Path
) -> None:
    prefix = store.address.removeprefix(f"s3://{BUCKET}/")
    body = b'{"files": {"../../evil": {"size": 1, "sha256": "0"}}}'
    s3.client.put_object(Bucket=BUCKET, Key=f"{prefix}/x/manifest.json", Body=body)
    with pytest.raises(ObjectStoreError, match="is refused: '../../evil' lies outside"):
        store.pull("x", tmp_path / "back")


def test_a_full_disk_is_named_and_the_next_pull_goes_on(store: ObjectStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 3, 1000)
    (folder / "large.bin").write_bytes(os.urandom(3 * MB))
    store.push(folder, "x")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MB, limits[1]))
    try:
        with pytest.raises(ObjectStoreError, match="large.bin: File too large; make room, then do it again"):
            store.pull("x", tmp_path / "back")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "back").exists()
    assert store.pull("x", tmp_path / "back").moved < 4
    assert file_digest(tmp_path / "back") == file_digest(folder)


def test_two_pulls_of_one_folder_at_a_time_both_succeed(store: ObjectStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "out", 20, 1000)
    store.push(folder, "x")
    done: list[Transfer] = []
    both = [threading.Thread(target=lambda: done.append(store.pull("x", tmp_path / "back"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(transfer.moved for transfer in done) == [0, 20]
    assert file_digest(tmp_path / "back") == file_digest(folder)
