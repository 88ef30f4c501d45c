"""Feast compute engine that makes the online store equal to the newest rows of Parquet files."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import Entity, FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_format import ParquetFormat
from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from recstack.feature_store.newest import Newest, Source, newest
from recstack.feature_store.online_write import key_column, write_by_feast
from recstack.feature_store.stale_rows import remove_stale
from recstack.progress import working

WRITERS = 4
"""Threads that each encode and send a batch to Redis; with four, it rarely waits for the next one."""


class NewestRowsEngineConfig(FeastConfigBaseModel):
    """Options of `NewestRowsEngine`; Feast finds this class by its name."""

    type: str = "recstack.feature_store.engine.NewestRowsEngine"


class NewestRowsEngine(ComputeEngine):
    """Writes the newest row of every entity, whatever its time, with the end of the materialization as timestamp.

    So the timestamp of an online row says up to when its writer knew the log, and Feast's own rule, that the row with
    the later timestamp wins, lets a corrected row replace one of the same last interaction. Rows with an earlier
    timestamp that the load leaves are of entities that the files no longer have; they are removed.
    """

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
        """Write one view; the start of the task's interval does not matter.

        Raises:
            TypeError: this engine cannot load such a view, source or type.
            UserError: the rows need more memory than Redis has left; nothing was written.
            redis.RedisError: Redis refused, or cannot be reached. A second run completes the work.
        """
        view, horizon = task.feature_view, task.end_time
        source = source_of(view, self.repo_config)
        names = [source.key, *(field.name for field in view.features), source.timestamp]
        with working(f"materialize: looking for the newest rows of {view.name}"):
            rows = newest(source, names)
        timestamp = names.index(source.timestamp)
        if isinstance(self.repo_config.online_store, RedisOnlineStoreConfig):
            from recstack.feature_store.feast_redis.memory import require_memory  # not needed where SQLite is used

            with working(f"materialize: asking Redis for room for {view.name}"):
                require_memory(self.repo_config, view, rows, horizon)

        def dated(batch: pa.RecordBatch) -> pa.RecordBatch:
            column = pa.repeat(pa.scalar(horizon, pa.timestamp("us", tz="UTC")), len(batch))
            return batch.set_column(timestamp, source.timestamp, column)

        store: Any = self.online_store
        config = self.repo_config
        if hasattr(store, "write_table"):  # recstack's own
            self._write(rows, view, WRITERS, lambda batch: store.write_table(config, view, dated(batch)))
        else:  # one thread: SQLite lets one write at a time
            self._write(rows, view, 1, lambda batch: write_by_feast(store, config, view, batch, horizon))
        with working(f"materialize: removing rows that {view.name} no longer has"):
            remove_stale(self.repo_config, view, horizon, registry.list_feature_views(self.repo_config.project))
        job = f"{view.name}-{task.start_time}-{task.end_time}"
        return LocalMaterializationJob(job, MaterializationJobStatus.SUCCEEDED)

    def _write(self, rows: Newest, view: FeatureView, threads: int, write: Callable[[pa.RecordBatch], None]) -> None:
        writing: deque[tuple[int, Future[None]]] = deque()
        with (
            ThreadPoolExecutor(threads) as writers,
            working(f"materialize: writing {view.name}", total=rows.rows, unit="row") as step,
        ):

            def finish_one() -> None:
                count, future = writing.popleft()
                future.result()
                step.advance(count)

            for batch in rows:
                if len(writing) == threads:
                    finish_one()
                writing.append((len(batch), writers.submit(write, batch)))
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
        raise TypeError(f"{view.name} computes something, which recstack's engine can't load")
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
