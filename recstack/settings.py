"""Every setting of recstack; nothing else reads the environment."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
FEAST_METRICS = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR")
HANDLER = ROOT / "serving" / "handler.py"


class Settings(BaseSettings):
    """Embedded defaults that need no server; a deployment overrides them by environment variables or `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=".env")

    recstack_home: Path = Field(ROOT / ".recstack", description="folder of all local state")
    dataset: str = Field("movielens_100k", description="name of the dataset adapter; also the Feast project")
    lake_uri: Path | None = Field(None, description="folder of the lake; default: <home>/<dataset>/lake")
    object_store: str | None = Field(None, description="s3://bucket/prefix; None: nothing leaves this machine")
    object_store_endpoint: str | None = Field(None, description="URL of an S3-compatible server; default: AWS")
    spark_master: str = "local[*]"
    spark_driver_memory: str = "2g"
    feast_online: str = Field("sqlite", description="'sqlite' or a Redis connection string host:port,password=…")
    feast_registry: str = Field("file", description="'file' or a SQLAlchemy URL")
    feast_offline: Literal["duckdb", "spark"] = "duckdb"
    feast_token: str = Field("", description="what clients of Feast's servers have to show")
    mlflow_tracking_uri: str | None = Field(None, description="default: SQLite in <home>")
    mlflow_page: str = Field("http://127.0.0.1:5000", description="address of MLflow's web page, for links")
    prefect_page: str = Field("http://127.0.0.1:4200", description="address of Prefect's web page, for links")
    model_store: Path = ROOT / "model_store"
    torchserve_inference: str = "http://127.0.0.1:8080"
    torchserve_management: str = "http://127.0.0.1:8081"
    torchserve_metrics: str = "http://127.0.0.1:8082"
    torchserve_keys: Path | None = Field(None, description="TorchServe's key_file.json; default: in <home>")
    torchserve_workers: int = Field(1, ge=1, description="processes, each with its own copy of the model")
    torchserve_batch_size: int = Field(16, ge=1, description="most requests answered at once, if they wait")
    torchserve_batch_delay_ms: int = Field(0, ge=0, description="longest wait for a batch to fill; 0: two at most")

    def child_environment(self) -> dict[str, str]:
        """The environment for child processes (the Feast CLI, TorchServe's workers), with these settings in it.

        Importing Feast sets a folder for metrics that is gone when this process ends: a server that outlives it must
        not inherit it, under either of its names. Paths are absolute, because children work in other folders.
        """
        own = {name.upper(): value for name, value in self.model_dump().items() if value is not None}
        texts = {name: str(value.absolute() if isinstance(value, Path) else value) for name, value in own.items()}
        return {name: value for name, value in {**os.environ, **texts}.items() if name not in FEAST_METRICS}

    @property
    def workspace(self) -> Path:
        """State of one dataset: its lake and its Feast files."""
        return self.recstack_home.resolve() / self.dataset

    @property
    def lake(self) -> Path:
        """Where tables are published."""
        return self.lake_uri or self.workspace / "lake"

    @property
    def downloads(self) -> Path:
        """Source files of all datasets that were not given as a folder."""
        return self.recstack_home / "downloads"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry database."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.recstack_home.resolve()}/mlflow.db"

    @property
    def artifacts(self) -> str:
        """Where MLflow keeps artifacts of experiments that it creates; a server knows a place of its own."""
        if self.tracking_uri.startswith("http"):
            return "mlflow-artifacts:"
        return (self.recstack_home.resolve() / "mlartifacts").as_uri()

    @property
    def serving_home(self) -> Path:
        """Working folder of the embedded TorchServe: keys, logs, pid."""
        return self.recstack_home.resolve() / "torchserve"

    @property
    def token_file(self) -> Path:
        """TorchServe's token file."""
        return self.torchserve_keys or self.serving_home / "key_file.json"
