"""What Feast knows of recstack: two entities, two views over the feature tables, one service for ranking."""

from datetime import timedelta

import pyarrow as pa
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Array, Bytes, FeastType, Float32, Int64, String

from recstack import columns as c
from recstack.features import spec
from recstack.lake import current
from recstack.settings import Settings

SETTINGS = Settings()
TABLES = current(SETTINGS.lake / "features").path

FEAST_TYPES: dict[pa.DataType, FeastType] = {
    pa.int64(): Int64,
    pa.float32(): Float32,
    pa.string(): String,
    pa.binary(): Bytes,
    pa.list_(pa.int64()): Array(Int64),
    pa.list_(pa.float32()): Array(Float32),
}


def fields(owner: spec.Owner) -> list[Field]:
    """The features of one owner as Feast fields."""
    return [Field(name=f.name, dtype=FEAST_TYPES[f.type], description=f.doc) for f in spec.FEATURES[owner]]


def source(owner: spec.Owner) -> DataSource:
    """The Parquet table of one owner, for the offline engine in use."""
    path = str(TABLES / owner)
    if SETTINGS.feast_offline == "spark":
        return SparkSource(name=owner, path=path, file_format="parquet", timestamp_field=c.EVENT_TIMESTAMP)
    return FileSource(name=owner, path=f"{path}/*.parquet", timestamp_field=c.EVENT_TIMESTAMP)


user = Entity(name="user", join_keys=[c.USER_ID], value_type=ValueType.INT64, description="a person who rates")
item = Entity(name="item", join_keys=[c.ITEM_ID], value_type=ValueType.INT64, description="a thing that is rated")

user_features = FeatureView(
    name=spec.USER_VIEW, entities=[user], schema=fields("user"), source=source("user"), ttl=timedelta(0)
)
item_features = FeatureView(
    name=spec.ITEM_VIEW, entities=[item], schema=fields("item"), source=source("item"), ttl=timedelta(0)
)

ranking = FeatureService(
    name=spec.SERVICE,
    features=[user_features, item_features],
    tags={"feature_schema": spec.schema_digest(), "feature_tables": TABLES.name},
)
