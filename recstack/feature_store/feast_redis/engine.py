"""Feast compute engine that materializes Parquet files into `ColumnarOnlineStore`, in batches of columns."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_format import ParquetFormat
from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from recstack.feature_store.feast_redis.newest import Newest, Source, newest
from recstack.feature_store.feast_redis.store import ColumnarOnlineStore, key_column
from recstack.progress import working

WRITERS = 4
"""Threads that each encode and send a batch; with four, Redis rarely waits for the next one."""


class ColumnarEngineConfig(FeastConfigBaseModel):
    """Options of `ColumnarEngine`; Feast finds this class by its name."""

    type: str = "recstack.feature_store.feast_redis.engine.ColumnarEngine"


class ColumnarEngine(ComputeEngine):
    """Writes the newest row of every entity; it refuses views that it could not load as Feast's own engines do."""

    def update(
        self,
        project: str,
        views_to_delete: Sequence[FeatureView],
        views_to_keep: Sequence[FeatureView | OnDemandFeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Do nothing: there is nothing to prepare."""

    def teardown_infra(self, project: str, fvs: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Do nothing: nothing was prepared."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any) -> MaterializationJob:
        """Write one view.

        Raises:
            TypeError: this engine cannot load such a view, source or type.
            redis.RedisError: Redis refused, or cannot be reached. A second run completes the work.
        """
        view, store = task.feature_view, self.online_store
        if not isinstance(store, ColumnarOnlineStore):
            raise TypeError(f"this engine writes to {ColumnarOnlineStore.__name__}, not to {type(store).__name__}")
        source = source_of(view, self.repo_config)
        names = [source.key, *(field.name for field in view.features), source.timestamp]
        with working(f"materialize: looking for the newest rows of {view.name}"):
            rows = newest(source, task.start_time, task.end_time, names)
        self._write(store, view, rows)
        job = f"{view.name}-{task.start_time}-{task.end_time}"
        return LocalMaterializationJob(job, MaterializationJobStatus.SUCCEEDED)

    def _write(self, store: ColumnarOnlineStore, view: FeatureView, rows: Newest) -> None:
        writing: deque[tuple[int, Future[None]]] = deque()
        with (
            ThreadPoolExecutor(WRITERS) as writers,
            working(f"materialize: writing {view.name} to Redis", total=rows.rows, unit="row") as step,
        ):

            def finish_one() -> None:
                count, future = writing.popleft()
                future.result()
                step.advance(count)

            for batch in rows:
                if len(writing) == WRITERS:
                    finish_one()
                writing.append((len(batch), writers.submit(store.write_table, self.repo_config, view, batch)))
            while writing:
                finish_one()


def source_of(view: FeatureView, config: RepoConfig) -> Source:
    """The Parquet files of a view.

    Raises:
        TypeError: the view computes something, is written to an offline store too, or has no local Parquet files.
        FileNotFoundError: there are no files.
    """
    computed = ("feature_transformation", "aggregations", "source_views")
    if view.offline or any(getattr(view, name, None) for name in computed):
        raise TypeError(f"{view.name} computes something: set FEAST_STOCK=true to materialize it by Feast's own engine")
    origin: Any = view.batch_source
    path = str(getattr(origin, "path", None) or "")
    parquet = origin.file_format in (None, "parquet") or isinstance(origin.file_format, ParquetFormat)
    if not path or not parquet or "://" in path.removeprefix("file://"):
        raise TypeError(f"{view.name} has to come from local Parquet files, not from {origin.name} ({path})")
    pattern = Path(config.repo_path or ".") / path.removeprefix("file://")
    files = pattern.rglob("*.parquet") if pattern.is_dir() else pattern.parent.glob(pattern.name)
    found = tuple(sorted(file for file in files if not file.name.startswith((".", "_"))))
    if not found:
        raise FileNotFoundError(f"there are no Parquet files for {view.name} at {pattern}")
    given = {new: old for old, new in origin.field_mapping.items()}
    return Source(found, key_column(view), origin.timestamp_field, origin.created_timestamp_column or None, given)
