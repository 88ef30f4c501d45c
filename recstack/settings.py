"""Every setting of recstack. Only this module reads the environment."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVING: Final = Path(__file__).resolve().parent.parent / "serving"
"""The package `serving`: beside `recstack` in a checkout and in an installed wheel."""
HANDLER: Final = SERVING / "handler.py"
FEAST_METRICS: Final = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR")
LIBRARIES: Final = {
    "DO_NOT_TRACK": "1",
    "FEAST_USAGE": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_WAIT_POLICY": "PASSIVE",  # PyTorch's threads wait asleep; on busy cores spinning is ten times slower
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # two busy cores take longer than the default 20 s
}
"""Environment variables of libraries: they report to nobody, and a flow runs without a Prefect server."""

Folder = Annotated[Path, AfterValidator(Path.absolute)]
"""A path that means the same folder after the process has changed its working directory."""


class Settings(BaseSettings):
    """Embedded defaults that need no server; a deployment overrides them by environment variables or `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=".env")

    recstack_home: Folder = Field(Path(".recstack"), description="folder of all local state")
    dataset: str = Field("movielens_100k", description="name of the dataset adapter; also the Feast project")
    lake_uri: Folder | None = Field(None, description="folder of the lake; default: <home>/<dataset>/lake")
    object_store: str | None = Field(None, description="s3://bucket/prefix; None: nothing leaves this machine")
    object_store_endpoint: str | None = Field(None, description="URL of an S3-compatible server; default: AWS")
    spark_master: str = "local[*]"
    spark_driver_memory: str = "2g"
    threads: int | None = Field(None, ge=1, description="CPU threads of training and evaluation; default: all cores")
    feast_online: str = Field("sqlite", description="'sqlite' or a Redis connection string host:port,password=…")
    feast_registry: str = Field("file", description="'file' or a SQLAlchemy URL")
    feast_offline: Literal["duckdb", "spark"] = "duckdb"
    feast_stock: bool = Field(False, description="use Feast's own store classes instead of recstack's faster ones")
    feast_token: str = Field("", description="token that clients of Feast's servers send")
    mlflow_tracking_uri: str | None = Field(None, description="default: SQLite in <home>")
    mlflow_page: str = Field("http://127.0.0.1:5000", description="address of MLflow's web page, for links")
    prefect_page: str = Field("http://127.0.0.1:4200", description="address of Prefect's web page, for links")
    model_store: Folder = Field(Path("model_store"), description="folder of built archives")
    torchserve_inference: str = "http://127.0.0.1:8080"
    torchserve_management: str = "http://127.0.0.1:8081"
    torchserve_metrics: str = "http://127.0.0.1:8082"
    torchserve_keys: Folder | None = Field(None, description="TorchServe's key_file.json; default: in <home>")
    torchserve_workers: int = Field(1, ge=1, description="processes, each with its own copy of the model")
    torchserve_batch_size: int = Field(16, ge=1, description="most requests answered at once, if they wait")
    torchserve_batch_delay_ms: int = Field(
        0, ge=0, description="longest wait for a batch to fill; 0: at most 2 a batch"
    )

    warm_up_budget: float = Field(1.0, gt=0, description="seconds that a new model may take for an answer")

    def prepare_libraries(self) -> None:
        """Keep Prefect's state in `recstack_home` and set `LIBRARIES`, except where the environment says otherwise.

        Call it before one of these libraries is imported.
        """
        for name, value in {**LIBRARIES, "PREFECT_HOME": str(self.recstack_home / "prefect")}.items():
            os.environ.setdefault(name, value)

    def child_environment(self) -> dict[str, str]:
        """The environment for child processes (the Feast CLI, TorchServe's workers), with these settings in it.

        Importing Feast sets a folder for metrics that is gone when this process ends: a server that outlives it must
        not inherit it, under either of its names.
        """
        own = {name.upper(): str(value) for name, value in self.model_dump().items() if value is not None}
        return {name: value for name, value in {**os.environ, **own}.items() if name not in FEAST_METRICS}

    @property
    def workspace(self) -> Path:
        """State of one dataset: its lake and its Feast files."""
        return self.recstack_home / self.dataset

    @property
    def lake(self) -> Path:
        """Folder of the published versions."""
        return self.lake_uri or self.workspace / "lake"

    @property
    def downloads(self) -> Path:
        """Folder of downloaded source files."""
        return self.recstack_home / "downloads"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry database."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.recstack_home}/mlflow.db"

    @property
    def artifacts(self) -> str:
        """Where MLflow keeps the artifacts of new experiments; an MLflow server has a folder of its own."""
        if self.tracking_uri.startswith("http"):
            return "mlflow-artifacts:"
        return (self.recstack_home / "mlartifacts").as_uri()

    @property
    def serving_home(self) -> Path:
        """Working folder of the embedded TorchServe: keys, logs, pid."""
        return self.recstack_home / "torchserve"

    @property
    def token_file(self) -> Path:
        """TorchServe's token file."""
        return self.torchserve_keys or self.serving_home / "key_file.json"
