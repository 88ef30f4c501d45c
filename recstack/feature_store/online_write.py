"""Writes rows through any of Feast's online stores, by the calls that all of them have."""

from datetime import UTC, datetime

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import Int64

BLOCK = 500
"""Rows of one read, because SQLite limits the variables of a statement."""


def key_column(view: FeatureView) -> str:
    """Name of the key of a view's entity.

    Raises:
        TypeError: there are several keys, or the key is no Int64.
    """
    columns = view.entity_columns
    if len(columns) != 1 or columns[0].dtype != Int64:
        found = ", ".join(f"{column.name} ({column.dtype})" for column in columns)
        raise TypeError(f"the entity of {view.name} has to be one Int64 key, not {found}")
    return str(columns[0].name)


def entity_keys(view: FeatureView, ids: list[int]) -> list[EntityKey]:
    """Feast's keys of these entities."""
    key = key_column(view)
    return [EntityKey(join_keys=[key], entity_values=[Value(int64_val=number)]) for number in ids]


def write_by_feast(
    store: OnlineStore, config: RepoConfig, view: FeatureView, rows: pa.RecordBatch, horizon: datetime
) -> None:
    """Write rows with the timestamp `horizon`, except those of which the store has a later version.

    The store is asked first: not every store of Feast compares timestamps itself.

    Args:
        store: Feast's or recstack's.
        config: configuration of the feature store.
        view: the feature view that the rows belong to.
        rows: N rows: the entity's key and the view's features.
        horizon: UTC.

    Raises:
        ValueError: a row has no key.
    """
    for start in range(0, len(rows), BLOCK):
        _write_block(store, config, view, rows.slice(start, BLOCK), horizon)


def _write_block(
    store: OnlineStore, config: RepoConfig, view: FeatureView, rows: pa.RecordBatch, horizon: datetime
) -> None:
    ids = rows[key_column(view)].to_pylist()
    if None in ids:
        raise ValueError(f"{ids.count(None)} rows of {view.name} have no {key_column(view)}")
    keys = entity_keys(view, ids)
    names = [field.name for field in view.features]
    stored = store.online_read(config, view, keys, names[:1])
    columns = [
        python_values_to_proto_values(rows[field.name].to_pylist(), field.dtype.to_value_type())
        for field in view.features
    ]
    data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]] = [
        (key, dict(zip(names, values, strict=True)), horizon, None)
        for key, (timestamp, _), *values in zip(keys, stored, *columns, strict=True)
        if timestamp is None or _utc(timestamp) <= horizon
    ]
    store.online_write_batch(config, view, data, None)


def _utc(timestamp: datetime) -> datetime:
    return timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp
