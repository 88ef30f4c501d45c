"""Materialization into a real Redis by recstack's classes writes what Feast's own write, also after failures."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import redis
from checkout import ROOT
from feast import FeatureStore, FileSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Float64
from google.protobuf.timestamp_pb2 import Timestamp
from online_samples import OUR_ENGINE_ALONE, OURS, START, STOCK, content, table, write

from recstack.feature_store.engine import source_of
from recstack.progress import reporter

Open = Callable[..., FeatureStore]
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime.fromtimestamp(START + 10_000, UTC)


def snapshots(draw: np.random.Generator, users: int, rows: int) -> pa.Table:
    """Rows of which no two share user and timestamp: Feast would take either of such rows."""
    return table(draw.integers(0, users, rows).tolist(), (draw.permutation(rows) / 7).tolist(), draw)


def test_redis_holds_the_same_bytes_as_after_feasts_own_engine_but_for_the_timestamp(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    rows = snapshots(draw, 40, 3_000)
    for number in range(3):
        write(rows.take(list(range(number, len(rows), 3))), tmp_path / "user", f"part-{number}")
    found = []
    for kind in (STOCK, OURS, OUR_ENGINE_ALONE):
        client.flushall()
        open_store(kind).materialize(EARLIEST, LATEST)
        found.append(content(client))
    times = [{row.pop(b"_ts:users") for row in rows.values()} for rows in found]
    assert len(found[0]) == 40
    assert found[1] == found[2] == found[0]
    assert times[1] == times[2] == {Timestamp(seconds=START + 10_000).SerializeToString()}


def test_feasts_own_store_reads_the_rows_and_the_registry_knows_the_interval(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    rows = table([1, 2], [1, 2], draw, nulls=0)
    write(rows, tmp_path / "user")
    open_store(OURS).materialize(EARLIEST, LATEST)
    stock = open_store(STOCK)
    features = [f"users:{name}" for name in rows.column_names[2:]]
    answer = stock.get_online_features(features, [{"user_id": 1}, {"user_id": 2}]).to_dict()
    for name in ("count", "word", "seen", "recent", "genres"):
        assert answer[name] == rows[name].to_pylist()
    assert stock.get_feature_view("users").materialization_intervals == [(EARLIEST, LATEST)]


def test_of_rows_with_one_timestamp_the_one_created_last_counts(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    rows = table([1, 1, 1], [5, 5, 4], draw, nulls=0).set_column(2, "count", pa.array([10, 20, 30]))
    write(rows.append_column("created", rows["event_timestamp"].take([0, 2, 0])), tmp_path / "user")
    store = open_store(OURS, created="created")
    store.materialize(EARLIEST, LATEST)
    assert store.get_online_features(["users:count"], [{"user_id": 1}]).to_dict()["count"] == [10]


def counts(store: FeatureStore, ids: list[int]) -> list[int]:
    found: list[int] = store.get_online_features(["users:count"], [{"user_id": i} for i in ids]).to_dict()["count"]
    return found


def write_rows(store: FeatureStore, rows: pa.Table) -> None:
    store.provider.online_store.write_table(
        store.config, store.get_feature_view("users"), rows.combine_chunks().to_batches()[0]
    )


def numbered(rows: pa.Table, number: int) -> pa.Table:
    return rows.set_column(2, "count", pa.array([number] * len(rows), pa.int64()))


def test_only_a_newer_row_replaces_what_is_there_down_to_the_microsecond(
    open_store: Open, client: redis.Redis, draw: np.random.Generator
) -> None:
    store = open_store(OURS)
    for number, second in enumerate([10, 10 - 1e-6, 10, 10 + 1e-6, 9, 11, 10.9]):
        write_rows(store, numbered(table([1], [second], draw), number))
        assert counts(store, [1]) == [[0, 0, 0, 3, 3, 5, 5][number]]


def test_of_two_writers_at_once_the_newer_row_wins_for_every_user(
    open_store: Open, client: redis.Redis, draw: np.random.Generator
) -> None:
    ids = list(range(3_000))
    newer = draw.random(len(ids)) < 0.5
    versions = [numbered(table(ids, (5 + (newer == first)).tolist(), draw), first) for first in (0, 1)]
    store = open_store(OURS)
    for _ in range(5):
        client.flushall()
        writers = [threading.Thread(target=write_rows, args=(store, rows)) for rows in versions]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert counts(store, ids) == newer.astype(int).tolist()


def test_threads_that_are_the_first_to_write_do_not_close_each_others_connections(
    open_store: Open, client: redis.Redis, draw: np.random.Generator
) -> None:
    """Feast makes its client at the first call; threads that make one each drop all but the last."""
    shares = [numbered(table(range(start, start + 200), [1] * 200, draw), 0) for start in range(0, 1600, 200)]
    for _ in range(20):
        client.flushall()
        store, together = open_store(OURS), threading.Barrier(len(shares))

        def write_share(rows: pa.Table, store: FeatureStore = store, together: threading.Barrier = together) -> None:
            together.wait()
            write_rows(store, rows)

        with ThreadPoolExecutor(len(shares)) as writers:
            list(writers.map(write_share, shares))
        assert client.dbsize() == 1600


@pytest.mark.parametrize("live", [None, 500], ids=["without expiry", "with expiry"])
def test_rows_wrongly_taken_for_new_ones_are_not_overwritten_and_do_not_block_others(
    open_store: Open, client: redis.Redis, draw: np.random.Generator, live: int | None
) -> None:
    store = open_store(OURS, online={"key_ttl_seconds": live})
    for user, second in {99: 9, 70: 5}.items():  # 99 is the last of a transaction: its draft is left over
        write_rows(store, numbered(table([user], [second], draw), 2))
    client.config_resetstat()
    ids = list(range(100))
    write_rows(store, numbered(table(ids, [7] * len(ids), draw), 1))
    assert client.info("commandstats")["cmdstat_renamenx"]["calls"] == len(ids), "the sample knew them"
    assert counts(store, ids) == [2 if user == 99 else 1 for user in ids]
    assert client.dbsize() == len(ids), "nothing else stays behind"
    assert all((client.ttl(key) > 490) == bool(live) for key in client.keys())


def test_a_cut_connection_raises_an_error_and_a_second_run_completes_the_rows(
    open_store: Open, client: redis.Redis, draw: np.random.Generator
) -> None:
    store, ids = open_store(OURS), list(range(3_000))
    rows = numbered(table(ids, [1] * len(ids), draw), 1)
    done = threading.Event()

    def cut() -> None:
        while not done.is_set():
            if client.dbsize():
                client.client_kill_filter(_type="normal", skipme=True)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(redis.ConnectionError):
            write_rows(store, rows)
    finally:
        done.set()
        cutter.join()
    assert 0 < client.dbsize() < len(ids), "cut too late to tell"
    write_rows(store, rows)
    assert counts(store, ids) == [1] * len(ids)
    assert client.dbsize() == len(ids), "nothing else stays behind"


def test_writing_no_rows_writes_nothing(open_store: Open, client: redis.Redis, draw: np.random.Generator) -> None:
    store, view = open_store(OURS), open_store(OURS).get_feature_view("users")
    empty = table([1], [1], draw).combine_chunks().to_batches()[0].slice(0, 0)
    store.provider.online_store.write_table(store.config, view, empty)
    assert not client.keys()


def test_a_materialization_that_was_killed_is_completed_by_running_it_again(
    open_store: Open, client: redis.Redis, address: str, tmp_path: Path, draw: np.random.Generator
) -> None:
    ids = list(range(12_000))
    write(table(ids, [1] * len(ids), draw), tmp_path / "user")
    store = open_store(OURS)
    store.materialize(EARLIEST, LATEST)
    complete = content(client)
    client.flushall()
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC; from online_samples import *; "
        "store = feature_store(Path(sys.argv[1]), sys.argv[2], OURS); "
        f"store.materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime.fromtimestamp({START + 10_000}, UTC))"
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"}
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), address], env=environment)
    while not client.dbsize():
        assert child.poll() is None
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert 0 < client.dbsize() < len(ids), "killed too late to tell"
    open_store(OURS).materialize(EARLIEST, LATEST)
    assert content(client) == complete


def test_a_long_materialization_reports_how_many_rows_are_written(
    open_store: Open,
    tmp_path: Path,
    draw: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("FIRST_SECONDS", "EVERY_SECONDS", "REFRESH_SECONDS"):
        monkeypatch.setattr(reporter, name, 0.001)
    ids = list(range(3_000))
    write(table(ids, [1] * len(ids), draw), tmp_path / "user")
    open_store(OURS).materialize(EARLIEST, LATEST)
    lines = capsys.readouterr().err
    assert re.search(r"materialize: writing users: \d+ s, \d+ of 3000 rows", lines), lines


def test_keys_expire_as_in_feasts_own_store(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    write(table([1], [1], draw), tmp_path / "user")
    for kind in (STOCK, OURS):
        client.flushall()
        open_store(kind, online={"key_ttl_seconds": 500}).materialize(EARLIEST, LATEST)
        assert [client.ttl(key) > 490 for key in client.keys()] == [True]


def test_an_unknown_type_and_missing_files_are_refused_by_name(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    rows = table([1], [1], draw)
    store = open_store(OURS, fields={"ratio": Float64})
    with pytest.raises(FileNotFoundError, match="there are no Parquet files for users at"):
        store.materialize(EARLIEST, LATEST)
    write(rows.append_column("ratio", pa.array([0.5])), tmp_path / "user")
    with pytest.raises(TypeError, match="feature ratio of users is DOUBLE; only INT64, FLOAT"):
        store.materialize(EARLIEST, LATEST)
    assert not client.keys()


def test_a_redis_that_refuses_ends_the_materialization_with_its_reason(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator
) -> None:
    write(table([1], [1], draw), tmp_path / "user")
    client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(redis.exceptions.ResponseError, match="(?i)not enough good replicas"):
            open_store(OURS).materialize(EARLIEST, LATEST)
    finally:
        client.config_set("min-replicas-to-write", 0)
    open_store(OURS).materialize(EARLIEST, LATEST)
    assert client.dbsize() == 1


def test_the_folder_that_spark_would_read_is_read_too_and_other_sources_are_refused(
    open_store: Open, tmp_path: Path, draw: np.random.Generator
) -> None:
    write(table([1], [1], draw), tmp_path / "user")
    (tmp_path / "user" / "_SUCCESS").touch()
    store = open_store(OURS)
    view = store.get_feature_view("users")
    for path in (str(tmp_path / "user"), f"file://{tmp_path}/user"):
        view.batch_source = SparkSource(name="rows", path=path, file_format="parquet", timestamp_field="t")
        assert source_of(view, store.config).files == (tmp_path / "user" / "part.parquet",)
    for other in (
        SparkSource(name="rows", query="select 1", timestamp_field="t"),
        SparkSource(name="rows", path="/rows", file_format="avro", timestamp_field="t"),
        FileSource(name="rows", path="s3://bucket/rows.parquet", timestamp_field="t"),
    ):
        view.batch_source = other
        with pytest.raises(TypeError, match="users has to come from local Parquet files, not from rows"):
            source_of(view, store.config)
