import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recstack.archive.transfer import TransferError, pull_archive, push_archive


class Store(BaseHTTPRequestHandler):
    """As much of S3 as an upload and a download need: the bucket `models`, the access key `good`."""

    objects: dict[str, bytes] = {}

    def do_PUT(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._admitted():
            self.objects[self.path] = body
            self._reply(200)

    def do_HEAD(self) -> None:  # noqa: N802
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        if self._admitted():
            found = self.objects.get(self.path) if self.path != "/models" else b""
            self._reply(200, found) if found is not None else self._refuse(404, "NoSuchKey")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _admitted(self) -> bool:
        if "Credential=good/" not in self.headers["Authorization"]:
            self._refuse(403, "InvalidAccessKeyId")
        elif self.path.split("/")[1] != "models":
            self._refuse(404, "NoSuchBucket")
        else:
            return True
        return False

    def _refuse(self, status: int, code: str) -> None:
        self._reply(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "good")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    Store.objects = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "recstack-3.mar"
    path.write_bytes(b"an archive")
    return path


def test_an_archive_survives_the_way_to_the_store_and_back(archive: Path, endpoint: str, tmp_path: Path) -> None:
    address = push_archive(archive, "s3://models/archives", endpoint)
    assert address == "s3://models/archives/recstack-3.mar"
    pulled = pull_archive(address, tmp_path / "store", endpoint)
    assert pulled == tmp_path / "store" / "recstack-3.mar"
    assert pulled.read_bytes() == b"an archive"


def test_a_missing_bucket_is_named(archive: Path, endpoint: str) -> None:
    with pytest.raises(TransferError, match="bucket 'other' does not exist: create it"):
        push_archive(archive, "s3://other", endpoint)


def test_wrong_keys_are_named(archive: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "bad")
    with pytest.raises(TransferError, match="check AWS_ACCESS_KEY_ID"):
        push_archive(archive, "s3://models", endpoint)


def test_a_missing_object_leaves_nothing_behind(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="no such bucket or object"):
        pull_archive("s3://models/recstack-9.mar", tmp_path / "store", endpoint)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_store_that_is_down_is_named(archive: Path, endpoint: str) -> None:
    with pytest.raises(TransferError, match=r"http://127.0.0.1:1\): the server does not answer"):
        push_archive(archive, "s3://models", "http://127.0.0.1:1")


@pytest.mark.parametrize("uri", ["models/archives", "http://models", "s3://"])
def test_an_address_that_is_not_s3_is_refused(archive: Path, uri: str) -> None:
    with pytest.raises(TransferError, match="is not an address of the form s3://bucket/path"):
        push_archive(archive, uri)
