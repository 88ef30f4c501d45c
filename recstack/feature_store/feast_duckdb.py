"""Feast's DuckDB store with a real ASOF join: the stock one pairs each row with all earlier rows of its entity."""

import tempfile
from collections.abc import Mapping
from typing import Any

import ibis
import pandas as pd
from feast import FeatureView, FileSource, OnDemandFeatureView, RepoConfig
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.ibis import IbisRetrievalJob, deduplicate
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from ibis.backends.duckdb import Backend
from ibis.expr.datatypes import Timestamp
from ibis.expr.types import Table

ORDER = "__row"
"""Place of a row in the entity frame."""
UTC = Timestamp(timezone="UTC")
MEMORY = "2GB"
"""What the join may take beside its rows and its answer; beyond it DuckDB writes to a temporary folder."""
PLACE = {"file": "filename", "place": "file_row_number"}
"""Columns that say where a feature row is."""


class AsofOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Feast looks for it beside the store, by name."""

    type: str = "recstack.feature_store.feast_duckdb.AsofOfflineStore"


class AsofOfflineStore(DuckDBOfflineStore):
    """Takes the join of an entity frame with Parquet files upon itself, and leaves all else to Feast."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """For each row the newest features at or before its moment, in the order of the rows.

        Args:
            config: of the feature store.
            feature_views: V views to join.
            feature_refs: `view:feature` for every feature wanted.
            entity_df: N rows of join keys and a moment, and whatever else shall be kept.
            registry: where on-demand views are found.
            project: whose registry.
            full_feature_names: name the columns `view__feature`.
            filter_by_created_timestamp: leave out what was written after the moment; Feast's own join does that.

        Returns:
            A job for N rows: the columns of `entity_df` and the features, nulls where nothing was known yet.
        """
        rest = (registry, project, full_feature_names, filter_by_created_timestamp)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        in_feasts_query = any(view.mode == "substrait" for view in on_demand)  # which would lack our columns
        if (
            not isinstance(entity_df, pd.DataFrame)
            or filter_by_created_timestamp
            or in_feasts_query
            or not all(_is_local_parquet(view.batch_source) for view in feature_views)
        ):
            return DuckDBOfflineStore.get_historical_features(config, feature_views, feature_refs, entity_df, *rest)

        job = DuckDBOfflineStore.get_historical_features(config, [], feature_refs, entity_df, *rest)
        assert isinstance(job, IbisRetrievalJob)
        moment = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
        engine = ibis.duckdb.connect(
            memory_limit=MEMORY,
            temp_directory=tempfile.gettempdir(),
            # DuckDB takes a frame, whose length it doesn't know, for a short one, and would go through it row by row.
            asof_loop_join_threshold=0,
        )
        sources = [_read(engine, view) for view in feature_views]
        wanted = [_wanted(view, feature_refs, full_feature_names) for view in feature_views]

        rows = job.table.mutate(**{ORDER: ibis.row_number()})
        marks = [f"__{number}_" for number in range(len(feature_views))]
        parts = list(zip(marks, feature_views, sources, wanted, strict=True))
        for mark, view, source, names in parts:
            rows = _find(rows, moment, view, source, mark, names if _narrow(source, names) else PLACE)
        for mark, _, source, names in parts:
            rows = _rename(rows, names, mark) if _narrow(source, names) else _fetch(rows, names, source, mark)
        job.table = rows.order_by(ORDER).select(*job.table.columns, *(name for names in wanted for name in names))
        return job


def _is_local_parquet(source: Any) -> bool:
    if not isinstance(source, FileSource) or "://" in source.path:
        return False
    return isinstance(source.file_format, ParquetFormat) or (
        source.file_format is None and source.path.endswith(".parquet")
    )


def _read(engine: Backend, view: FeatureView) -> Table:
    """A view's rows, each with its `filename` and `file_row_number`."""
    origin: Any = view.batch_source
    table = engine.read_parquet(origin.path, filename=True, file_row_number=True)
    return table.rename({new: old for old, new in origin.field_mapping.items() if old in table.columns})


def _wanted(view: FeatureView, feature_refs: list[str], full: bool) -> dict[str, str]:
    """Features wanted of a view: name in the answer to name in the view."""
    prefix = f"{view.projection.name_to_use()}:"  # type: ignore[no-untyped-call]
    features = [ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)]
    return {f"{view.projection.name_alias or view.name}__{name}" if full else name: name for name in features}


def _narrow(source: Table, names: Mapping[str, str]) -> bool:
    """Whether the features are numbers alone, which the search may carry along; a vector would be sorted with it."""
    kinds = [source[column].type() for column in names.values()]
    return all(kind.is_numeric() or kind.is_boolean() or kind.is_temporal() for kind in kinds)


def _find(rows: Table, moment: str, view: FeatureView, source: Table, mark: str, brought: Mapping[str, str]) -> Table:
    """Bring columns of the feature row that each row gets: the features, or the place where `_fetch` finds them."""
    origin: Any = view.batch_source
    keys = view.projection.join_key_map or {column.name: column.name for column in view.entity_columns}
    times = {"stamp": origin.timestamp_field, "created": origin.created_timestamp_column}
    known = source.select(
        **{f"{mark}get_{name}": source[column] for name, column in brought.items()},
        **{f"{mark}key_{key}": source[key] for key in keys},
        **{f"{mark}{name}": source[column].cast(UTC) for name, column in times.items() if column},
    )
    if origin.created_timestamp_column:
        same_moment = [*(f"{mark}key_{key}" for key in keys), f"{mark}stamp"]
        known = deduplicate(known, same_moment, f"{mark}stamp", f"{mark}created")
    same_entity = [rows[column] == known[f"{mark}key_{key}"] for key, column in keys.items()]
    found = rows.asof_join(known, rows[moment] >= known[f"{mark}stamp"], same_entity)
    if view.ttl:
        alive = found[f"{mark}stamp"] + ibis.interval(view.ttl) >= found[moment]
        columns = [f"{mark}get_{name}" for name in brought]
        found = found.mutate(**{column: alive.ifelse(found[column], None) for column in columns})
    return found


def _rename(rows: Table, names: Mapping[str, str], mark: str) -> Table:
    """The features that `_find` brought."""
    return rows.rename({name: f"{mark}get_{name}" for name in names})


def _fetch(rows: Table, wanted: Mapping[str, str], source: Table, mark: str) -> Table:
    """Bring the features from the places that `_find` brought."""
    columns = {**{f"{mark}from_{name}": column for name, column in PLACE.items()}, **wanted}
    features = source.select(**{name: source[column] for name, column in columns.items()})
    return rows.left_join(features, [rows[f"{mark}get_{name}"] == features[f"{mark}from_{name}"] for name in PLACE])
