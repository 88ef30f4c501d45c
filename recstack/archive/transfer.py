"""Moves archives to and from S3-compatible stores; the only file that knows boto3."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recstack.errors import UserError


class TransferError(UserError):
    """An archive could not be moved to or from S3; the message says why and what to check."""


def push_archive(archive: Path, uri: str, endpoint: str | None = None) -> str:
    """Upload an archive.

    Args:
        archive: the file.
        uri: `s3://bucket/prefix`.
        endpoint: URL of an S3-compatible server; AWS if None. Keys come from boto3's usual places.

    Returns:
        The address of the uploaded object.

    Raises:
        TransferError: bucket missing, wrong keys, or no connection.
    """
    bucket, prefix = _bucket(uri)
    key = f"{prefix}/{archive.name}".lstrip("/")
    try:
        client = _client(endpoint)
        _require_bucket(client, bucket)
        client.upload_file(str(archive), bucket, key)
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        raise TransferError(_explain("upload", f"s3://{bucket}/{key}", endpoint, error)) from None
    return f"s3://{bucket}/{key}"


def pull_archive(uri: str, store: Path, endpoint: str | None = None) -> Path:
    """Download `s3://bucket/…/name.mar` into a model store, in one step.

    Raises:
        TransferError: bucket or object missing, wrong keys, or no connection.
    """
    bucket, key = _bucket(uri)
    target = store / Path(key).name
    draft = store / f".draft-{target.name}"
    store.mkdir(parents=True, exist_ok=True)
    try:
        _client(endpoint).download_file(bucket, key, str(draft))
        os.replace(draft, target)
    except (BotoCoreError, ClientError) as error:
        raise TransferError(_explain("download", uri, endpoint, error)) from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def _require_bucket(client: Any, bucket: str) -> None:
    """Some servers take parts for a bucket that does not exist, and then report an internal error."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            raise TransferError(f"the bucket {bucket!r} does not exist: create it, or correct the address") from None
        # Anything else is for the upload to say: a key may be allowed to write and not to look.


def _client(endpoint: str | None) -> Any:
    patience = Config(connect_timeout=5, retries={"total_max_attempts": 3})
    # A session of its own: boto3's default one would remember the first keys that it saw.
    return boto3.Session().client("s3", endpoint_url=endpoint, config=patience)


def _bucket(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TransferError(f"{uri!r} is not an address of the form s3://bucket/path")
    return parts.netloc, parts.path.strip("/")


def _explain(verb: str, address: str, endpoint: str | None, error: Exception) -> str:
    where = endpoint or "AWS"
    told = str(error)
    hints = {
        "InvalidAccessKeyId": "the access key is unknown there: check AWS_ACCESS_KEY_ID",
        "SignatureDoesNotMatch": "the secret key is wrong: check AWS_SECRET_ACCESS_KEY",
        "403": "access denied: check the keys and the bucket's policy",
        "404": "no such bucket or object",
        "credentials": "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "connect": "the server does not answer: check its address and that it is up",
    }
    hint = next((text for sign, text in hints.items() if sign in told), "")
    return f"cannot {verb} {address} ({where}): {hint + '. ' if hint else ''}{told}"
