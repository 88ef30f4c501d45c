import socket
import threading

import pytest
from feast.infra.online_stores.redis import RedisOnlineStore
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from recstack.archive.opening import READ_BUDGET, within_budget


def parameters(connection: str) -> dict[str, object]:
    """What Feast makes of a connection string."""
    _, given = RedisOnlineStore._parse_connection_string(connection)
    return given


def test_a_redis_that_hangs_is_asked_once_and_given_up_within_the_budget() -> None:
    asked: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: [asked.append(server.accept()[0]) for _ in range(2)], daemon=True).start()
        client = Redis(host="127.0.0.1", port=port, **parameters(within_budget(f"127.0.0.1:{port}")))
        with pytest.raises(RedisTimeoutError):
            client.hmget("user", ["feature"])
    assert len(asked) == 1


def test_limits_of_the_connection_string_win_over_the_budget() -> None:
    given = parameters(within_budget("redis:6379,password=secret,socket_timeout=1.5"))
    assert given == {"password": "secret", "socket_timeout": 1.5, "socket_connect_timeout": READ_BUDGET, "retry": None}


def test_sqlite_needs_no_limits() -> None:
    assert within_budget("sqlite") == "sqlite"
