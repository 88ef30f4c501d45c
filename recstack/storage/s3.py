"""Single objects in an S3-compatible store, its errors explained, its outages waited out. Only this file uses boto3."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
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
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from recstack.errors import UserError

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 7
"""With pauses of 1, 2, 4, 8, 16 and 20 s: a store that restarts answers again within half a minute."""
PARTS = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4)

_HINTS = {
    "NoSuchBucket": "the bucket does not exist: create it, or correct OBJECT_STORE",
    "InvalidAccessKeyId": "the access key is unknown there: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "these keys may not do that: they need rights to list, read and write, and to delete for `forget`",
    "403": "these keys may not do that: they need rights to list, read and write, and to delete for `forget`",
    "404": "an object is missing that the manifest names: push the folder again",
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ANSWER = (ConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError)

Count = Callable[[int], object]
"""Called with the number of bytes that were moved since the last call; from several threads."""


class ObjectStoreError(UserError):
    """Something could not be moved. No reader sees a part of it, and the same call again finishes the work."""


class StoreUnreachable(ObjectStoreError):
    """The store does not answer, or has an error of its own; a later call may work."""


class Bucket:
    """Objects under `s3://bucket/prefix`, by their names after the prefix. Each is replaced in one step or not at all.

    Every method tries again, with growing pauses, while the store does not answer. It raises StoreUnreachable after
    the last attempt, and ObjectStoreError at once if the bucket is missing, the keys are wrong, or the local disk is
    full.
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
        self._retrying = Retrying(
            retry=retry_if_exception_type(StoreUnreachable),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential_jitter(max=20),
            before_sleep=_announce,
            reraise=True,
        )
        config = Config(
            connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=16
        )
        try:
            # A session of its own: boto3's default session keeps the first keys that it reads.
            self._client = boto3.Session().client("s3", endpoint_url=endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            raise ObjectStoreError(f"cannot use {self.address}: {error}: check OBJECT_STORE_ENDPOINT") from error

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every object below a name."""

        def list_all() -> dict[str, int]:
            pages = self._client.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/")
            return {o["Key"].removeprefix(self._prefix): o["Size"] for page in found for o in page.get("Contents", [])}

        return self._do(f"list {self.address}/{folder}", list_all)

    def read(self, name: str) -> str | None:
        """Text of an object; None if it is not there."""

        def get() -> str | None:
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
                return str(answer["Body"].read().decode())
            except self._client.exceptions.NoSuchKey:
                return None

        return self._do(f"read {self.address}/{name}", get)

    def write(self, name: str, text: str) -> None:
        """Create or replace an object."""
        key, body = self._prefix + name, text.encode()
        self._do(
            f"write {self.address}/{name}",
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body),
        )

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        key = self._prefix + name
        self._do(f"remove {self.address}/{name}", lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def upload(self, file: Path, name: str, count: Count) -> None:
        """A file to an object, large ones in parts."""
        key = self._prefix + name
        self._do(
            f"push {file} to {self.address}/{name}",
            lambda: self._client.upload_file(str(file), self._bucket, key, Callback=count, Config=PARTS),
        )

    def download(self, name: str, file: Path, count: Count) -> None:
        """An object to a file, which appears when it is complete."""

        def download() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(self._bucket, self._prefix + name, str(file), Callback=count, Config=PARTS)

        self._do(f"pull {self.address}/{name} to {file}", download)

    def _do(self, doing: str, action: Callable[[], T]) -> T:
        done: T = self._retrying(self._explained, doing, action)
        return done

    def _explained(self, doing: str, action: Callable[[], T]) -> T:
        """Turn errors of boto3 and of the disk into ours: what was done, what is wrong, and what helps."""
        try:
            return action()
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise self._explain(doing, error) from error
        except OSError as error:
            hint = "; make room, then do it again: finished files are kept" if error.errno in _NO_ROOM else ""
            raise ObjectStoreError(f"cannot {doing}: {os.strerror(error.errno or 0)}{hint}") from error

    def _explain(self, doing: str, error: BaseException) -> ObjectStoreError:
        if isinstance(error, S3UploadFailedError) and error.__context__ is not None:
            error = error.__context__  # it has the error code
        answer = error.response if isinstance(error, ClientError) else {}
        code = answer.get("Error", {}).get("Code")
        start = f"cannot {doing} ({self._where}): "
        if isinstance(error, NoCredentialsError):
            return ObjectStoreError(f"{start}there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if code in _HINTS:
            return ObjectStoreError(f"{start}{_HINTS[code]}")
        if isinstance(error, _NO_ANSWER) or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            return StoreUnreachable(
                f"{start}the object store does not answer: check that it is up, then do it again. {error}"
            )
        return ObjectStoreError(f"{start}{error}")


def _announce(state: RetryCallState) -> None:
    """Nobody waits in silence."""
    assert state.outcome is not None and state.next_action is not None
    log.warning("%s; next attempt in %.0f s", state.outcome.exception(), state.next_action.sleep)
