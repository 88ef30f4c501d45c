"""Load: `wrk` in a closed loop, and requests at a fixed rate whatever the server does."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from answering.servers import Target
from answering.workspace import N_USERS

SCRIPT = """
math.randomseed(os.time())
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
function request()
  return wrk.format(nil, nil, nil, string.format('{{"user_id": %d, "k": 10}}', math.random({users})))
end
function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('\\n{{"rate": %f, "p50": %f, "p99": %f, "errors": %d}}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, errors))
end
"""


@dataclass(frozen=True)
class Closed:
    """What `wrk` measured: answers a second, latency in ms."""

    rate: float
    p50: float
    p99: float
    errors: int


def closed_loop(target: Target, connections: int, seconds: float) -> Closed:
    """Each connection sends its next request when it has the answer to the one before; random users."""
    if shutil.which("wrk") is None:
        sys.exit("this benchmark needs wrk 4.1: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(token=target.token, users=N_USERS))
        script.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "60s", "-s", script.name]
        output = subprocess.run(["wrk", *options, target.url], capture_output=True, text=True, check=True).stdout
    target.ask({"user_id": 1})  # comes last: what was still queued would slow the next measurement
    return Closed(**json.loads(output.strip().splitlines()[-1]))


def open_loop(target: Target, rate: float, seconds: float, connections: int = 256) -> np.ndarray:
    """Latencies in ms of requests that are sent at a fixed rate, even if earlier ones are not answered yet.

    Each latency counts from the time at which the request should have been sent, so that a server that stalls can't
    hide the requests that were sent late because of it (coordinated omission). Sending takes some 40 µs of one core.
    """
    return asyncio.run(_open_loop(target, rate, seconds, connections))


async def _open_loop(target: Target, rate: float, seconds: float, connections: int) -> np.ndarray:
    parts = urlsplit(target.url)
    free = [_Connection() for _ in range(min(connections, int(rate * seconds)))]
    loop = asyncio.get_running_loop()
    for connection in free:
        await loop.create_connection(lambda connection=connection: connection, parts.hostname, parts.port)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {target.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )
    users = np.random.default_rng().integers(1, N_USERS + 1, int(rate * seconds)).tolist()
    waiting: list[tuple[float, bytes]] = []
    latencies: list[float] = []
    done = loop.create_future()

    def answered(connection: "_Connection", intended: float, status: int) -> None:
        if status != 200:
            raise RuntimeError(f"{target.name} answered {status}")
        latencies.append((time.perf_counter() - intended) * 1e3)
        if waiting:
            connection.send(*waiting.pop(0), answered)
        else:
            free.append(connection)
        if len(latencies) == len(users) and not done.done():
            done.set_result(None)

    start = time.perf_counter() + 0.1
    for number, user in enumerate(users):
        body = f'{{"user_id": {user}, "k": 10}}'
        intended = start + number / rate
        if (ahead := intended - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        elif number % 20 == 0:
            await asyncio.sleep(0)  # late: still let answers in
        request = f"{head}{len(body)}\r\n\r\n{body}".encode()
        if free:
            free.pop().send(intended, request, answered)
        else:
            waiting.append((intended, request))
    await asyncio.wait_for(done, 120)
    return np.array(latencies)


class _Connection(asyncio.Protocol):
    """One request at a time over a connection that is kept; knows as much of HTTP as the three servers speak."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def send(self, intended: float, request: bytes, answered) -> None:
        self.intended, self.answered = intended, answered
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if separator and len(body) >= int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            self.received = b""
            self.answered(self, self.intended, int(head.split(b" ", 2)[1]))
