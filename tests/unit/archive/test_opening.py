import socket
import threading
import time
from pathlib import Path

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


def test_limits_of_the_connection_string_win_over_the_budget() -> None:
    given = within_budget("redis:6379,password=secret,socket_timeout=1.5")
    assert given == f"redis:6379,password=secret,socket_timeout=1.5,socket_connect_timeout={READ_BUDGET},retry=null"


def test_sqlite_needs_no_limits() -> None:
    assert within_budget("sqlite") == "sqlite"
