"""Feast's declarations of the feature tables: two entities, two views over Parquet, one service for ranking."""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Array, Bytes, FeastType, Float32, Int64, String

from recstack import columns as c
from recstack.features import spec

FEAST_TYPES: dict[pa.DataType, FeastType] = {
    pa.int64(): Int64,
    pa.float32(): Float32,
    pa.string(): String,
    pa.binary(): Bytes,
    pa.list_(pa.int64()): Array(Int64),
    pa.list_(pa.float32()): Array(Float32),
}


class Declarations(NamedTuple):
    """Everything that recstack declares in Feast's registry."""

    user: Entity
    item: Entity
    user_features: FeatureView
    item_features: FeatureView
    ranking: FeatureService


def declare(tables: Path, offline: str) -> Declarations:
    """Declare one version of the feature tables.

    Args:
        tables: folder with the Parquet folders `user` and `item`.
        offline: "spark" if Spark joins them, otherwise a store that reads files.
    """
    user = Entity(name="user", join_keys=[c.USER_ID], value_type=ValueType.INT64, description="a person who rates")
    item = Entity(name="item", join_keys=[c.ITEM_ID], value_type=ValueType.INT64, description="something that is rated")
    user_features = _view(spec.USER_VIEW, user, "user", tables, offline)
    item_features = _view(spec.ITEM_VIEW, item, "item", tables, offline)
    ranking = FeatureService(
        name=spec.SERVICE,
        features=[user_features, item_features],
        tags={"feature_schema": spec.schema_digest(), "feature_tables": tables.name},
    )
    return Declarations(user, item, user_features, item_features, ranking)


def _view(name: str, entity: Entity, owner: spec.Owner, tables: Path, offline: str) -> FeatureView:
    fields = [Field(name=f.name, dtype=FEAST_TYPES[f.type], description=f.doc) for f in spec.FEATURES[owner]]
    source = _source(owner, str(tables / owner), offline)
    return FeatureView(name=name, entities=[entity], schema=fields, source=source, ttl=timedelta(0))


def _source(owner: spec.Owner, path: str, offline: str) -> DataSource:
    if offline == "spark":
        return SparkSource(name=owner, path=path, file_format="parquet", timestamp_field=c.EVENT_TIMESTAMP)
    return FileSource(name=owner, path=f"{path}/*.parquet", timestamp_field=c.EVENT_TIMESTAMP)
