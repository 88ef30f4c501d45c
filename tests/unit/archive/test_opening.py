import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from online_samples import OURS, STOCK, feature_store
from redis.exceptions import TimeoutError as RedisTimeoutError

from recstack.archive.opening import READ_BUDGET, within_budget


@pytest.mark.parametrize("kind", [OURS, STOCK], ids=["own", "stock"])
def test_a_read_gives_up_a_redis_that_hangs_within_the_budget_and_does_not_try_again(
    tmp_path: Path, kind: dict[str, str]
) -> None:
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=lambda: [connections.append(server.accept()[0]) for _ in range(2)], daemon=True).start()
        store = feature_store(tmp_path, within_budget(address), kind)
        key = EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=1)])
        view = store.get_feature_view("users")
        start = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            store.provider.online_read(store.config, view, [key], ["count"])
        assert time.monotonic() - start < 10 * READ_BUDGET
    assert len(connections) == 1


def test_the_budget_is_for_the_whole_batch_of_a_redis_that_answers_slowly(tmp_path: Path) -> None:
    answered: list[int] = []

    def trickle(server: socket.socket) -> None:
        """Answer each command, all of its fields missing, just within the limit of one socket read."""
        connection = server.accept()[0]
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            for number in range(16):
                time.sleep(0.7 * READ_BUDGET)
                connection.sendall(b"*2\r\n$-1\r\n$-1\r\n")
                answered.append(number)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=trickle, args=[server], daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        store = feature_store(tmp_path, within_budget(address), OURS)
        view, schema = store.get_feature_view("users"), pa.schema([("count", pa.int64())])
        online: Any = store.provider.online_store
        with pytest.raises(RedisTimeoutError, match="longer than 0.2 s for the whole batch"):
            online.reader(store.config, view, schema).read(list(range(16)))
    assert len(answered) < 5


def test_limits_of_the_connection_string_win_over_the_budget() -> None:
    given = within_budget("redis:6379,password=secret,socket_timeout=1.5")
    assert given == f"redis:6379,password=secret,socket_timeout=1.5,socket_connect_timeout={READ_BUDGET},retry=null"


def test_sqlite_needs_no_limits() -> None:
    assert within_budget("sqlite") == "sqlite"
