"""Feast's Redis store, extended by writes and reads of whole columns; the bytes in Redis stay the same."""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, Field, RepoConfig, ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from recstack.feature_store.feast_redis.commands import create, replace
from recstack.feature_store.feast_redis.encoding import Encoded, binary, encode, encode_timestamps
from recstack.feature_store.feast_redis.reader import OwnConnection, Reader
from recstack.feature_store.online_write import key_column

_ARROW_TYPES = {
    ValueType.INT64: pa.int64(),
    ValueType.FLOAT: pa.float32(),
    ValueType.STRING: pa.string(),
    ValueType.BYTES: pa.binary(),
    ValueType.INT64_LIST: pa.list_(pa.int64()),
    ValueType.FLOAT_LIST: pa.list_(pa.float32()),
}


class ColumnarOnlineStoreConfig(RedisOnlineStoreConfig):
    """Options of `ColumnarOnlineStore`; Feast finds this class by its name."""

    type: str = "recstack.feature_store.feast_redis.store.ColumnarOnlineStore"  # type: ignore[assignment]
    redis_type: Literal[RedisType.redis, RedisType.redis_sentinel] = RedisType.redis
    """Not `redis_cluster`, where rows are spread over nodes; Feast's own `type: redis` handles that."""


class ColumnarOnlineStore(RedisOnlineStore):
    """Adds `write_table` and `reader` to Feast's store; either class reads what the other wrote."""

    _own: OwnConnection | None = None

    def write_table(self, config: RepoConfig, view: FeatureView, rows: pa.RecordBatch) -> None:
        """Write rows, except those of which Redis has a version with the same or a later timestamp.

        Redis itself compares the timestamps, so that of two writers at once the later row wins.

        Args:
            config: configuration of the feature store.
            view: the feature view that the rows belong to.
            rows: N rows: the entity's key, the view's features, and the timestamp column of its source.

        Raises:
            TypeError: there is no encoder for the type of the entity's key or of a feature.
            ValueError: a row has no key.
            redis.RedisError: Redis refused, or cannot be reached; earlier rows may have been written.
        """
        if not len(rows):
            return
        before, after = key_frame(config, view)
        ids = rows[key_column(view)].cast(pa.int64())
        if ids.null_count:
            raise ValueError(f"{ids.null_count} rows of {view.name} have no {key_column(view)}")
        numbers = binary(ids.to_numpy(), np.arange(len(ids) + 1) * 8)
        keys = Encoded(pc.binary_join_element_wise(pa.scalar(before), numbers, pa.scalar(after), pa.scalar(b"")))
        origin: Any = view.batch_source
        timestamps = encode_timestamps(rows[origin.timestamp_field])
        columns = [encode(rows[field.name], arrow_type(view, field)) for field in view.features]

        *names, timestamp = hash_fields(config, view, [field.name for field in view.features])
        live = config.online_store.key_ttl_seconds or 0
        # The client has a name here: of two threads that make Feast's first one, a client is dropped, and with its last
        # reference it closes the connections of its pool.
        client = self._get_client(config.online_store)
        connection = client.connection_pool.get_connection()
        try:
            row = [timestamp, *names], live, keys, [timestamps, *columns]
            if not create(connection, *row):
                replace(connection, *row)
        except BaseException:
            connection.disconnect()  # drop answers that were not read
            raise
        finally:
            client.connection_pool.release(connection)

    def reader(self, config: RepoConfig, view: FeatureView, schema: pa.Schema) -> Reader:
        """Prepare reads of one view.

        Args:
            config: configuration of the feature store.
            view: the feature view to read.
            schema: names and types of the features wanted.
        """
        fields = hash_fields(config, view, schema.names)
        if self._own is None:
            self._own = OwnConnection(self._get_client(config.online_store))
        return Reader(self._own, key_column(view), key_frame(config, view), fields, schema)


def arrow_type(view: FeatureView, field: Field) -> pa.DataType:
    """The Arrow type in which a feature is encoded.

    Raises:
        TypeError: there is no encoder for this type.
    """
    kind = field.dtype.to_value_type()
    if kind not in _ARROW_TYPES:
        known = ", ".join(name.name for name in _ARROW_TYPES)
        raise TypeError(
            f"feature {field.name} of {view.name} is {kind.name}; only {known} can be written; "
            "FEAST_STOCK=true writes others"
        )
    return _ARROW_TYPES[kind]


def key_frame(config: RepoConfig, view: FeatureView) -> tuple[bytes, bytes]:
    """The bytes of an entity's Redis key before and after the eight bytes of the id."""
    zero = EntityKey(join_keys=[key_column(view)], entity_values=[Value(int64_val=0)])
    serialized = serialize_entity_key(zero, config.entity_key_serialization_version)
    return serialized[:-8], config.project.encode()


def hash_fields(config: RepoConfig, view: FeatureView, names: list[str]) -> list[bytes]:
    """Names of the features in the Redis hash, and of the timestamp at the end."""
    name = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
    _, fields = RedisOnlineStore._generate_hset_keys_for_features(RedisOnlineStore(), view, list(names), name)
    return [field if isinstance(field, bytes) else field.encode() for field in fields]
