"""Single objects in an S3-compatible store, and what its errors mean; the only file that knows boto3."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error, RetriesExceededError, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)

from recstack.errors import UserError

PARTS = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4)

_HINTS = {
    "NoSuchBucket": "the bucket does not exist: create it, or correct OBJECT_STORE",
    "InvalidAccessKeyId": "the access key is unknown there: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "these keys may not do that: they need to list, read and write there",
    "403": "these keys may not do that: they need to list, read and write there",
    "404": "an object is missing that the manifest names: push the folder again",
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ANSWER = (ConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError)

Count = Callable[[int], object]
"""Is told how many bytes more have been moved; from several threads."""


class ObjectStoreError(UserError):
    """Something could not be moved; nothing half-moved can be seen, and the same call again finishes the work."""


class StoreUnreachable(ObjectStoreError):
    """The store does not answer, or fails by itself; later it may work."""


class Bucket:
    """Objects under `s3://bucket/prefix`, by their names after the prefix. Each is replaced in one step or not at all.

    Every method raises ObjectStoreError where the bucket is missing, the keys are wrong, the store does not answer, or
    the local disk is full.
    """

    def __init__(self, address: str | None, endpoint: str | None, attempts: int) -> None:
        """Connects to nothing yet; the arguments are those of `ObjectStore`."""
        if address is None:
            raise ObjectStoreError("no object store is named: set OBJECT_STORE=s3://bucket/prefix, or put it into .env")
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc:
            raise ObjectStoreError(
                f"{address!r} is not an address of the form s3://bucket/prefix: correct OBJECT_STORE"
            )
        self.address = address.rstrip("/")
        self._bucket, self._prefix = parts.netloc, f"{parts.path.strip('/')}/".lstrip("/")
        self._where = endpoint or "AWS"
        patience = Config(
            connect_timeout=5, retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=16
        )
        try:
            # A session of its own: boto3's default one would remember the first keys that it saw.
            self._client = boto3.Session().client("s3", endpoint_url=endpoint, config=patience)
        except (BotoCoreError, ValueError) as error:
            raise ObjectStoreError(f"cannot use {self.address}: {error}: check OBJECT_STORE_ENDPOINT") from error

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every object below a name."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained(f"list {self.address}/{folder}"):
            found = pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/")
            return {o["Key"].removeprefix(self._prefix): o["Size"] for page in found for o in page.get("Contents", [])}

    def read(self, name: str) -> str | None:
        """Text of an object; None if it is not there."""
        with self._explained(f"read {self.address}/{name}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
                return str(answer["Body"].read().decode())
            except self._client.exceptions.NoSuchKey:
                return None

    def write(self, name: str, text: str) -> None:
        """Create or replace an object."""
        with self._explained(f"write {self.address}/{name}"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=text.encode())

    def upload(self, file: Path, name: str, count: Count) -> None:
        """A file to an object, large ones in parts."""
        with self._explained(f"push {file} to {self.address}/{name}"):
            self._client.upload_file(str(file), self._bucket, self._prefix + name, Callback=count, Config=PARTS)

    def download(self, name: str, file: Path, count: Count) -> None:
        """An object to a file, which appears when it is whole."""
        with self._explained(f"pull {self.address}/{name} to {file}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(self._bucket, self._prefix + name, str(file), Callback=count, Config=PARTS)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what boto3 and the disk say into what was done, what is wrong, and what helps."""
        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise self._explain(doing, error) from error
        except OSError as error:
            help = "; make room, then do it again: what has arrived is kept" if error.errno in _NO_ROOM else ""
            raise ObjectStoreError(f"cannot {doing}: {os.strerror(error.errno or 0)}{help}") from error

    def _explain(self, doing: str, error: BaseException) -> ObjectStoreError:
        if isinstance(error, S3UploadFailedError) and error.__context__ is not None:
            error = error.__context__  # which has the code, not only words
        answer = error.response if isinstance(error, ClientError) else {}
        code = answer.get("Error", {}).get("Code")
        start = f"cannot {doing} ({self._where}): "
        if isinstance(error, NoCredentialsError):
            return ObjectStoreError(f"{start}there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if code in _HINTS:
            return ObjectStoreError(f"{start}{_HINTS[code]}")
        if isinstance(error, _NO_ANSWER) or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            return StoreUnreachable(
                f"{start}the object store does not answer: see that it is up, then do it again. {error}"
            )
        return ObjectStoreError(f"{start}{error}")
