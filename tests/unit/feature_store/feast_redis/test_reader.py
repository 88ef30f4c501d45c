"""Rows of a real Redis are read as one Arrow table, whether Feast or recstack wrote them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import redis
from feast import FeatureStore
from feast.protos.feast.types.Value_pb2 import FloatList, Null, Value
from online_samples import OURS, SCHEMA, START, STOCK, table, write

from recstack.feature_store.feast_redis.reader import Reader
from recstack.feature_store.feast_redis.store import hash_fields, key_frame

Open = Callable[..., FeatureStore]


def reader(store: FeatureStore) -> Reader:
    online = store.provider.online_store
    found: Reader = online.reader(store.config, store.get_feature_view("users"), SCHEMA)
    return found


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal to the bit, but for NaN, which Feast writes as null."""
    mean = other.column_names.index("mean")
    values = [None if value is None or np.isnan(value) else value for value in other["mean"].to_pylist()]
    return bool(one.equals(other.set_column(mean, "mean", pa.array(values, pa.float32()))))


@pytest.mark.parametrize("kind", [STOCK, OURS], ids=["stock classes", "own classes"])
def test_rows_are_read_as_feast_or_recstack_wrote_them(
    open_store: Open, client: redis.Redis, tmp_path: Path, draw: np.random.Generator, kind: dict[str, str]
) -> None:
    rows = table(list(range(300)), draw.permutation(300).tolist(), draw)
    write(rows, tmp_path / "user")
    horizon = datetime.fromtimestamp(START + 999, UTC)
    open_store(kind).materialize(datetime(1970, 1, 1, tzinfo=UTC), horizon)
    if kind == OURS:  # its engine writes the end of the materialization as the timestamp of every row
        rows = rows.set_column(1, rows.field(1), pa.array([horizon] * len(rows), rows.field(1).type))
    read = reader(open_store(OURS)).read
    assert same(read(list(range(300))), rows)
    assert same(read([7, 3, 7]), rows.take([7, 3, 7]))
    assert read([]).schema == read([1]).schema
    unknown = read([3, -404]).slice(1)
    assert unknown["user_id"].to_pylist() == [-404]
    assert all(unknown[name].null_count == 1 for name in unknown.column_names[1:])


def test_values_of_another_type_than_declared_are_read_by_protobuf(open_store: Open, client: redis.Redis) -> None:
    store = open_store(OURS)
    view = store.get_feature_view("users")
    before, after = key_frame(store.config, view)
    unpacked = bytes.fromhex("82010a0d0000803f0d00000040")  # a list whose numbers have a tag each
    forms = [Value(int32_val=7), Value(double_val=0.5), None, Value(null_val=Null.NULL), Value(), unpacked]
    raw = [form if isinstance(form, bytes) else form.SerializeToString() if form else b"" for form in forms]
    names = hash_fields(store.config, view, SCHEMA.names)[:-1]
    client.hset(before + (1).to_bytes(8, "little") + after, mapping=dict(zip(names, raw, strict=True)))
    (row,) = reader(store).read([1]).to_pylist()
    assert list(row.values()) == [1, None, 7, 0.5, None, None, None, [1.0, 2.0]]
    long = Value(float_list_val=FloatList(val=range(5_000))).SerializeToString()
    client.hset(before + (1).to_bytes(8, "little") + after, names[-1], long)
    assert reader(store).read([1])["genres"].to_pylist() == [list(range(5_000))]


def test_a_read_opens_a_connection_again_that_was_cut(
    open_store: Open, client: redis.Redis, draw: np.random.Generator
) -> None:
    read = reader(open_store(OURS)).read
    before = read([1, 2])
    assert client.client_kill_filter(_type="normal", skipme=True) > 0
    assert read([1, 2]).equals(before)


def test_after_an_error_the_next_read_gets_its_own_answers(open_store: Open, client: redis.Redis) -> None:
    store = open_store(OURS)
    read = reader(store).read
    before, after = key_frame(store.config, store.get_feature_view("users"))
    client.set(before + (1).to_bytes(8, "little") + after, "no hash")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        read([1, 2, 3])
    assert read([2, 3])["user_id"].to_pylist() == [2, 3]
