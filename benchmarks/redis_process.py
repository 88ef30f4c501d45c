"""A Redis server for one benchmark, on a free port of loopback; it ends with the benchmark."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def redis_process() -> Iterator[redis.Redis]:
    """Start the server and yield a client; nothing is written to disk."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("this benchmark needs Redis: apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        options += ["--hash-max-listpack-value", "4096"]  # as infra/redis/redis.conf has it
        process = subprocess.Popen([program, *options, "--enable-debug-command", "local"], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    if process.poll() is not None:
                        sys.exit("redis-server did not start")
                    time.sleep(0.05)
            yield client
        finally:
            process.terminate()
            process.wait(timeout=60)


def address(client: redis.Redis) -> str:
    """Feast's connection string."""
    return f"127.0.0.1:{client.connection_pool.connection_kwargs['port']}"
