"""A load that does not fit into Redis is refused before it begins, by an estimate that is near the truth."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import redis
from feast import FeatureStore
from online_samples import OUR_ENGINE_ALONE, OURS, content, feature_store, table, write

from recstack.errors import UserError
from recstack.feature_store.engine import source_of
from recstack.feature_store.feast_redis.memory import added_bytes
from recstack.feature_store.newest import newest

EARLIEST, MONDAY = datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
Open = Callable[..., FeatureStore]
own_and_stock = pytest.mark.parametrize("kind", [OURS, OUR_ENGINE_ALONE], ids=["own", "stock"])


@pytest.mark.parametrize("listpack", [64, 4096])
def test_the_estimate_is_within_30_percent_of_what_redis_uses(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator, listpack: int
) -> None:
    client.config_set("hash-max-listpack-value", listpack)
    client.config_set("maxmemory", "1gb")
    store = open_store(OURS)
    view = store.get_feature_view("users")

    def added() -> tuple[int, int]:
        source = source_of(view, store.config)
        rows = newest(source, [source.key, *(field.name for field in view.features), source.timestamp])
        before, estimate = client.info("memory")["used_memory"], added_bytes(client, store.config, view, rows, TUESDAY)
        store.materialize(EARLIEST, TUESDAY)
        return estimate, client.info("memory")["used_memory"] - before

    try:
        write(table(list(range(3000)), [0.0] * 3000, draw), tmp_path / "user")
        estimate, actual = added()
        assert estimate == pytest.approx(actual, rel=0.3)
        assert actual > 5_000_000
        estimate, more = added()
        assert abs(estimate) < 0.1 * actual, "the same rows again replace themselves"
        assert abs(more) < 0.1 * actual
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("hash-max-listpack-value", 64)


@own_and_stock
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator, kind: dict[str, str]
) -> None:
    write(table(list(range(3000)), [0.0] * 3000, draw), tmp_path / "user")
    store = open_store(kind)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 3_000_000)
    try:
        with pytest.raises(
            UserError, match=r"3,000 rows of users need some \d+ MB in Redis, which has 3 MB left of \d"
        ):
            store.materialize(EARLIEST, MONDAY)
        assert client.dbsize() == 0
        client.config_set("maxmemory", "1gb")
        store.materialize(EARLIEST, MONDAY)
    finally:
        client.config_set("maxmemory", 0)
    assert client.dbsize() == 3000
    assert not [key for key in client.keys() if key.startswith(b"draft:")]


@own_and_stock
def test_a_load_removes_rows_of_views_that_nobody_registers_but_no_newer_ones(
    client: redis.Redis, address: str, tmp_path: Path, draw: np.random.Generator, kind: dict[str, str]
) -> None:
    write(table([1, 2], [0, 0], draw), tmp_path / "user")
    store = feature_store(tmp_path, address, kind)
    store.materialize(EARLIEST, MONDAY)
    loaded = content(client)
    lost, newer = client.keys()
    client.hset(lost, mapping={b"abcd": b"of a view", b"_ts:lost_view": client.hget(lost, "_ts:users")})
    client.hset(newer, mapping={b"abcd": b"of a view", b"_ts:new_view": b"\x08\x80\x80\x80\x80\x20"})
    client.hset(b"another project's", b"abcd", b"stays")
    store.materialize(EARLIEST, TUESDAY)
    after = content(client)
    assert after[lost].keys() == loaded[lost].keys()
    assert {b"abcd", b"_ts:new_view"} <= after[newer].keys()
    assert after[b"another project's"] == {b"abcd": b"stays"}
