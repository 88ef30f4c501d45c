"""Feast's materialization from Parquet files to `ColumnarOnlineStore`, in batches of columns."""

import gc
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

from recstack.feature_store.feast_redis.newest import Source, newest
from recstack.feature_store.feast_redis.store import ColumnarOnlineStore, key_column

WRITERS = 4
"""Threads that encode and send a batch each, so many that Redis rarely waits for the next one."""


class ColumnarEngineConfig(FeastConfigBaseModel):
    """Feast looks for it beside the engine, by name."""

    type: str = "recstack.feature_store.feast_redis.engine.ColumnarEngine"


class ColumnarEngine(ComputeEngine):
    """Writes the newest row of every entity; what it cannot do as Feast's own engines would, it refuses."""

    def update(
        self,
        project: str,
        views_to_delete: Sequence[FeatureView],
        views_to_keep: Sequence[FeatureView | OnDemandFeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Nothing has to be prepared."""

    def teardown_infra(self, project: str, fvs: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Nothing was prepared."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any) -> MaterializationJob:
        """Write one view.

        Raises:
            TypeError: the view, its source or a type is not one that this engine handles.
            redis.RedisError: Redis refused, or cannot be reached. Running it again completes the work.
        """
        view, store = task.feature_view, self.online_store
        if not isinstance(store, ColumnarOnlineStore):
            raise TypeError(f"this engine writes to {ColumnarOnlineStore.__name__}, not to {type(store).__name__}")
        source = source_of(view, self.repo_config)
        names = [source.key, *(field.name for field in view.features), source.timestamp]
        batches = newest(source, task.start_time, task.end_time, names)
        writing: deque[Future[None]] = deque()
        gc.freeze()  # else a tenth of the CPU time goes into passes over what Feast's import left
        try:
            with ThreadPoolExecutor(WRITERS) as writers:
                for batch in batches:
                    if len(writing) == WRITERS:
                        writing.popleft().result()
                    writing.append(writers.submit(store.write_table, self.repo_config, view, batch))
                for future in writing:
                    future.result()
        finally:
            gc.unfreeze()
        job = f"{view.name}-{task.start_time}-{task.end_time}"
        return LocalMaterializationJob(job, MaterializationJobStatus.SUCCEEDED)


def source_of(view: FeatureView, config: RepoConfig) -> Source:
    """The Parquet files that a view is made from.

    Raises:
        TypeError: the view computes something, is written elsewhere too, or doesn't come from local Parquet files.
        FileNotFoundError: there are no files.
    """
    computed = ("feature_transformation", "aggregations", "source_views")
    if view.offline or any(getattr(view, name, None) for name in computed):
        raise TypeError(f"{view.name} is more than a table of features: materialize it with one of Feast's own engines")
    origin: Any = view.batch_source
    path = str(getattr(origin, "path", None) or "")
    parquet = origin.file_format in (None, "parquet") or isinstance(origin.file_format, ParquetFormat)
    if not path or not parquet or "://" in path.removeprefix("file://"):
        raise TypeError(f"{view.name} has to come from Parquet files in a folder, not from {origin.name} ({path})")
    place = Path(config.repo_path or ".") / path.removeprefix("file://")
    files = place.rglob("*.parquet") if place.is_dir() else place.parent.glob(place.name)
    found = tuple(sorted(file for file in files if not file.name.startswith((".", "_"))))
    if not found:
        raise FileNotFoundError(f"there are no Parquet files for {view.name} at {place}")
    given = {new: old for old, new in origin.field_mapping.items()}
    return Source(found, key_column(view), origin.timestamp_field, origin.created_timestamp_column or None, given)
