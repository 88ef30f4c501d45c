"""The encoded bytes are those that protobuf itself writes."""

import numpy as np
import pyarrow as pa
import pytest
from feast.protos.feast.types.Value_pb2 import FloatList, Int64List, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from recstack.feature_store.feast_redis.encoding import Encoded, encode, encode_timestamps

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT32 = st.floats(width=32)


def messages(encoded: Encoded) -> list[bytes]:
    heads = encoded.head.to_pylist()
    found = heads if encoded.body is None else [a + b for a, b in zip(heads, encoded.body.to_pylist(), strict=True)]
    assert encoded.sizes.tolist() == list(map(len, found))
    return found


def expected(kind: pa.DataType, value: object) -> bytes:
    if value is None or value != value:  # NaN too, as in Feast
        return b""
    fields = {
        pa.int64(): lambda: Value(int64_val=value),
        pa.float32(): lambda: Value(float_val=value),
        pa.string(): lambda: Value(string_val=value),
        pa.binary(): lambda: Value(bytes_val=value),
        pa.list_(pa.int64()): lambda: Value(int64_list_val=Int64List(val=value)),
        pa.list_(pa.float32()): lambda: Value(float_list_val=FloatList(val=value)),
    }
    return bytes(fields[kind]().SerializeToString())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), INT64),
        (pa.float32(), FLOAT32),
        (pa.string(), st.text(max_size=200)),
        (pa.binary(), st.binary(max_size=200)),
        (pa.list_(pa.int64()), st.lists(INT64, max_size=40)),
        (pa.list_(pa.float32()), st.lists(FLOAT32, max_size=40)),
    ],
    ids=str,
)
def test_a_column_becomes_the_bytes_of_feasts_messages(kind: pa.DataType, values: st.SearchStrategy[object]) -> None:
    @given(st.lists(st.none() | values, max_size=20), st.integers(0, 3))
    def check(column: list[object], skipped: int) -> None:
        array = pa.array(column, kind).slice(skipped)  # a slice shares the memory of the whole
        assert messages(encode(array, kind)) == [expected(kind, value) for value in array.to_pylist()]

    check()


@given(st.lists(st.integers(-(10**15), 10**16), max_size=20))
def test_timestamps_become_the_bytes_of_protobufs_timestamp(micros: list[int]) -> None:
    found = messages(encode_timestamps(pa.array(micros, pa.timestamp("us", tz="UTC"))))
    for message, micro in zip(found, micros, strict=True):
        timestamp = Timestamp(seconds=micro // 1_000_000, nanos=micro % 1_000_000 * 1000)
        assert message == timestamp.SerializeToString()


def test_narrower_columns_are_widened_and_a_null_in_a_list_is_zero_as_in_feast() -> None:
    assert messages(encode(pa.array([5], pa.int16()), pa.int64())) == [expected(pa.int64(), 5)]
    lists = pa.array([[1.0, None]], pa.list_(pa.float32()))
    assert messages(encode(lists, lists.type)) == [expected(lists.type, [1.0, 0.0])]
    large = pa.array([np.arange(400)], pa.large_list(pa.int32()))
    assert messages(encode(large, pa.list_(pa.int64()))) == [expected(pa.list_(pa.int64()), range(400))]
