"""Feast's declarations of the feature tables: two entities, two views over Parquet, one service for ranking."""

import json
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Array, Bytes, FeastType, Float32, Int64, String

from recstack import columns as c
from recstack.feature_store.generations import service_name, view_name
from recstack.features import spec, vocabulary
from recstack.storage.lake import Build

FEAST_TYPES: dict[pa.DataType, FeastType] = {
    pa.int64(): Int64,
    pa.float32(): Float32,
    pa.string(): String,
    pa.binary(): Bytes,
    pa.list_(pa.int64()): Array(Int64),
    pa.list_(pa.float32()): Array(Float32),
}


class Declarations(NamedTuple):
    """Everything that recstack declares in Feast's registry for one version of the feature tables."""

    user: Entity
    item: Entity
    user_features: FeatureView
    item_features: FeatureView
    ranking: FeatureService
    """Of the newest generation, by the name that never changes."""
    ranking_of_generation: FeatureService
    """The same, by the name that models in service read."""


def declare(tables: Build, offline: str, horizon: str = "") -> Declarations:
    """Declare one version of the feature tables.

    Args:
        tables: what `features.build` published.
        offline: "spark" if Spark joins them, otherwise a store that reads files.
        horizon: ISO 8601 time up to which these tables know the log; empty for tables that are not loaded online.
    """
    generation = tables.manifest["generation"]
    user = Entity(name="user", join_keys=[c.USER_ID], value_type=ValueType.INT64, description="a person who rates")
    item = Entity(name="item", join_keys=[c.ITEM_ID], value_type=ValueType.INT64, description="something that is rated")
    user_features = _view("user", generation, user, tables.path, offline)
    item_features = _view("item", generation, item, tables.path, offline)
    tags = {
        "generation": generation,
        "feature_schema": spec.schema_digest(),
        "features": json.dumps(spec.definition()),
        "feature_tables": tables.path.name,
        "vocabulary": json.dumps(vocabulary.load(tables.path), ensure_ascii=False),
        "horizon": horizon,
        "log_end": str(tables.manifest.get("log_end") or ""),
    }
    newest, own = (
        FeatureService(name=name, features=[user_features, item_features], tags=tags)
        for name in (spec.SERVICE, service_name(generation))
    )
    return Declarations(user, item, user_features, item_features, newest, own)


def _view(owner: spec.Owner, generation: str, entity: Entity, tables: Path, offline: str) -> FeatureView:
    name = view_name(owner, generation)
    fields = [Field(name=f.name, dtype=FEAST_TYPES[f.type], description=f.doc) for f in spec.FEATURES[owner]]
    source = _source(name, str(tables / owner), offline)
    return FeatureView(name=name, entities=[entity], schema=fields, source=source, ttl=timedelta(0))


def _source(name: str, path: str, offline: str) -> DataSource:
    if offline == "spark":
        return SparkSource(name=name, path=path, file_format="parquet", timestamp_field=c.EVENT_TIMESTAMP)
    return FileSource(name=name, path=f"{path}/*.parquet", timestamp_field=c.EVENT_TIMESTAMP)
