"""Feast's DuckDB store with an ASOF join; Feast's own pairs each row with all earlier rows of its entity.

Measured by benchmarks/point_in_time_join.py; `FEAST_STOCK=true` goes back to Feast's store.
"""

from recstack.feature_store.feast_version import require_feast

require_feast()  # before the imports: other versions may lack the parts of Feast that this module needs

import tempfile
from collections.abc import Mapping
from typing import Any, Final

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

ROW: Final = "__row"
"""Column with the position of a row in the entity frame."""
UTC: Final = Timestamp(timezone="UTC")
MEMORY: Final = "2GB"
"""Memory of the join beside its input and its result; beyond it DuckDB writes to a temporary folder."""
POSITION: Final = {"file": "filename", "row_of_file": "file_row_number"}
"""Columns of DuckDB's Parquet reader that identify a feature row."""


class AsofOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Options of `AsofOfflineStore`; Feast finds this class by its name."""

    type: str = "recstack.feature_store.feast_duckdb.AsofOfflineStore"


class AsofOfflineStore(DuckDBOfflineStore):
    """Joins an entity frame with Parquet files itself, and leaves everything else to Feast."""

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
        """Find the newest features at or before the timestamp of each row, in the order of the rows.

        Args:
            config: configuration of the feature store.
            feature_views: V views to join.
            feature_refs: `view:feature` for every feature wanted.
            entity_df: N rows of join keys and a timestamp; other columns are passed through.
            registry: registry that holds the on-demand views.
            project: project of the registry.
            full_feature_names: name the columns `view__feature`.
            filter_by_created_timestamp: leave out rows created after the timestamp; Feast's own join does that.

        Returns:
            A job for N rows: the columns of `entity_df` and the features, null where there is no earlier feature row.
        """
        rest = (registry, project, full_feature_names, filter_by_created_timestamp)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        in_feasts_query = any(view.mode == "substrait" for view in on_demand)  # they read Feast's query, not ours
        if (
            not isinstance(entity_df, pd.DataFrame)
            or filter_by_created_timestamp
            or in_feasts_query
            or not all(_is_local_parquet(view.batch_source) for view in feature_views)
        ):
            return DuckDBOfflineStore.get_historical_features(config, feature_views, feature_refs, entity_df, *rest)

        job = DuckDBOfflineStore.get_historical_features(config, [], feature_refs, entity_df, *rest)
        assert isinstance(job, IbisRetrievalJob)
        timestamp = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
        engine = ibis.duckdb.connect(
            memory_limit=MEMORY,
            temp_directory=tempfile.gettempdir(),
            # DuckDB does not know the length of a frame, takes it for a short one, and would loop over its rows.
            asof_loop_join_threshold=0,
        )
        sources = [_read(engine, view) for view in feature_views]
        wanted = [_wanted(view, feature_refs, full_feature_names) for view in feature_views]

        rows = job.table.mutate(**{ROW: ibis.row_number()})
        prefixes = [f"__{number}_" for number in range(len(feature_views))]
        parts = list(zip(prefixes, feature_views, sources, wanted, strict=True))
        for prefix, view, source, names in parts:
            rows = _find(rows, timestamp, view, source, prefix, names if _narrow(source, names) else POSITION)
        for prefix, _, source, names in parts:
            rows = _rename(rows, names, prefix) if _narrow(source, names) else _fetch(rows, names, source, prefix)
        job.table = rows.order_by(ROW).select(*job.table.columns, *(name for names in wanted for name in names))
        return job


def _is_local_parquet(source: Any) -> bool:
    if not isinstance(source, FileSource) or "://" in source.path:
        return False
    return isinstance(source.file_format, ParquetFormat) or (
        source.file_format is None and source.path.endswith(".parquet")
    )


def _read(engine: Backend, view: FeatureView) -> Table:
    """Open a view's Parquet files; each row has its `filename` and `file_row_number`."""
    origin: Any = view.batch_source
    table = engine.read_parquet(origin.path, filename=True, file_row_number=True)
    return table.rename({new: old for old, new in origin.field_mapping.items() if old in table.columns})


def _wanted(view: FeatureView, feature_refs: list[str], full: bool) -> dict[str, str]:
    """Features wanted of a view: name in the result → name in the view."""
    prefix = f"{view.projection.name_to_use()}:"  # type: ignore[no-untyped-call]
    features = [ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)]
    return {f"{view.projection.name_alias or view.name}__{name}" if full else name: name for name in features}


def _narrow(source: Table, names: Mapping[str, str]) -> bool:
    """Whether all features are numbers, which the join can carry; it would sort a vector together with the rows."""
    kinds = [source[column].type() for column in names.values()]
    return all(kind.is_numeric() or kind.is_boolean() or kind.is_temporal() for kind in kinds)


def _find(
    rows: Table, timestamp: str, view: FeatureView, source: Table, prefix: str, carried: Mapping[str, str]
) -> Table:
    """Join each row with its feature row, keeping the `carried` columns: features, or the feature row's position."""
    origin: Any = view.batch_source
    keys = view.projection.join_key_map or {column.name: column.name for column in view.entity_columns}
    times = {"timestamp": origin.timestamp_field, "created": origin.created_timestamp_column}
    known = source.select(
        **{f"{prefix}get_{name}": source[column] for name, column in carried.items()},
        **{f"{prefix}key_{key}": source[key] for key in keys},
        **{f"{prefix}{name}": source[column].cast(UTC) for name, column in times.items() if column},
    )
    if origin.created_timestamp_column:
        same_time = [*(f"{prefix}key_{key}" for key in keys), f"{prefix}timestamp"]
        known = deduplicate(known, same_time, f"{prefix}timestamp", f"{prefix}created")
    same_entity = [rows[column] == known[f"{prefix}key_{key}"] for key, column in keys.items()]
    found = rows.asof_join(known, rows[timestamp] >= known[f"{prefix}timestamp"], same_entity)
    if view.ttl:
        alive = found[f"{prefix}timestamp"] + ibis.interval(view.ttl) >= found[timestamp]
        columns = [f"{prefix}get_{name}" for name in carried]
        found = found.mutate(**{column: alive.ifelse(found[column], None) for column in columns})
    return found


def _rename(rows: Table, names: Mapping[str, str], prefix: str) -> Table:
    """Give the features that `_find` carried the names of the result."""
    return rows.rename({name: f"{prefix}get_{name}" for name in names})


def _fetch(rows: Table, wanted: Mapping[str, str], source: Table, prefix: str) -> Table:
    """Read the features at the positions that `_find` carried."""
    columns = {**{f"{prefix}from_{name}": column for name, column in POSITION.items()}, **wanted}
    features = source.select(**{name: source[column] for name, column in columns.items()})
    same_row = [rows[f"{prefix}get_{name}"] == features[f"{prefix}from_{name}"] for name in POSITION]
    return rows.left_join(features, same_row)
