"""Runs and model versions in MLflow; the only module that imports it."""

import io
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mlflow
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.environment_variables import (
    MLFLOW_DISABLE_TELEMETRY,
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
)
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, Schema

from recstack.archive.bundle import Bundle
from recstack.archive.opening import open_engine
from recstack.errors import UserError
from recstack.settings import Settings
from recstack.tracking.owner import OWNER, has_ended, this_process

CHAMPION = "champion"
DECISION = "champion_decision"
COMPARED = "compared_with_champion"
SIGNATURE = ModelSignature(inputs=Schema([ColSpec("string", "request")]), outputs=Schema([ColSpec("string", "answer")]))


class BundleModel(PythonModel):  # type: ignore[misc]
    """A bundle as an MLflow model; input and output are the JSON requests and answers of the serving API."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the same engine as TorchServe's handler."""
        self.engine = open_engine(Bundle.read(Path(context.artifacts["bundle"])), Settings(), int(time.time()))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One answer per request."""
        requests = [self.engine.parse(text.encode()) for text in model_input["request"]]
        answers = self.engine.answer(requests, int(time.time())).answers
        return pd.DataFrame({"answer": [json.dumps(answer.payload()) for answer in answers]})


@dataclass(frozen=True)
class Run:
    """One open MLflow run."""

    run_id: str
    url: str
    """Path of its page, relative to MLflow's address."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; a run takes each name once."""
        mlflow.log_params(dict(values))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, which MLflow can search."""
        mlflow.set_tags(dict(values))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics, of an epoch or final. MLflow allows no '@' in names: it becomes `_at_`."""
        mlflow.log_metrics({name.replace("@", "_at_"): value for name, value in values.items()}, step=step)

    def files(self, folder: Path, path: str) -> None:
        """Log every file of a folder as an artifact below `path`."""
        mlflow.log_artifacts(str(folder), path)

    def file(self, file: Path, path: str | None = None) -> None:
        """Log one file as an artifact, below `path` if given."""
        mlflow.log_artifact(str(file), path)

    def dataset(self, name: str, path: Path, fingerprint: str) -> None:
        """Log the dataset that the model was trained on."""
        source = json.dumps({"uri": str(path)})
        dataset = Dataset(name=name, digest=fingerprint, source_type="local", source=source)
        context = InputTag(key="mlflow.data.context", value="training")
        mlflow.MlflowClient().log_inputs(self.run_id, [DatasetInput(dataset, [context])])

    @contextmanager
    def child(self, name: str) -> Iterator["Run"]:
        """A child run of this one."""
        experiment = mlflow.get_run(self.run_id).info.experiment_id  # a child does not inherit it
        tags = {OWNER: this_process()}
        with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True, tags=tags) as active:
            yield Run(active.info.run_id, self.url.replace(self.run_id, active.info.run_id))

    def model(self, bundle: Path) -> str:
        """Log a bundle as an MLflow model with its signature; returns its URI. It loads where recstack is installed."""
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=BundleModel(),
            artifacts={"bundle": str(bundle)},
            signature=SIGNATURE,
            # Not recstack, which is not on PyPI: the owner of that name there could run code where the model is loaded.
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )
        return str(info.model_uri)


RETRIES: Final = 5
"""Of a request to MLflow's server, which take one minute in all: a server that restarts is back by then."""


@dataclass(frozen=True)
class Version:
    """One version in the model registry."""

    number: str
    run_id: str
    tags: Mapping[str, str]


class Tracker:
    """Runs of one experiment and versions of its registered model."""

    def __init__(self, tracking_uri: str, experiment: str, artifacts: str) -> None:
        """Connect.

        Args:
            tracking_uri: of the MLflow server or database.
            experiment: its name; created where there is none.
            artifacts: URI below which a new experiment stores its artifacts.

        Raises:
            UserError: MLflow does not answer.
        """
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
        MLFLOW_DISABLE_TELEMETRY.set(True)
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(RETRIES)
        mlflow.set_tracking_uri(tracking_uri)
        self._client = mlflow.MlflowClient()
        self._model = f"recstack-{experiment}"
        with _answers("open the experiment"):
            found = self._client.get_experiment_by_name(experiment)
            self._experiment = (
                found.experiment_id
                if found
                else self._client.create_experiment(experiment, f"{artifacts}/{experiment}")
            )

    @contextmanager
    def run(self, name: str) -> Iterator[Run]:
        """A new run; it ends as FAILED if the block raises.

        An open run of this name gets the status KILLED if its process has ended; one that another process is writing,
        or a process of another machine, stays as it is.
        """
        self._close_left_open(f"attributes.run_name = '{name}'")
        with mlflow.start_run(experiment_id=self._experiment, run_name=name, tags={OWNER: this_process()}) as active:
            yield self._run(active.info.run_id)

    @contextmanager
    def resume(self, run_id: str) -> Iterator[Run]:
        """Open an earlier run to add to it.

        Raises:
            UserError: MLflow does not know the run: its database was removed, but the outputs in the lake were not.
        """
        try:
            active = mlflow.start_run(run_id=run_id)
        except MlflowException as error:
            raise UserError(
                f"MLflow at {mlflow.get_tracking_uri()} does not know run {run_id}, which trained this model: "
                "remove the folder `models` of the lake, and of the object store if there is one, to train again"
            ) from error
        with active:
            yield self._run(run_id)

    @contextmanager
    def reopened(self, run_id: str | None, name: str) -> Iterator[Run]:
        """The run of an earlier call, or a new one without `run_id`; children that a kill left open become KILLED."""
        if run_id is None:
            with self.run(name) as run:
                yield run
            return
        self._close_left_open(f"tags.`mlflow.parentRunId` = '{run_id}'")
        with self.resume(run_id) as run:
            yield run

    def champion(self) -> Version | None:
        """The version with the alias `champion`; None if MLflow answers that there is none.

        Raises:
            UserError: MLflow does not answer, or refuses. It must not look as if there were no champion.
        """
        with _answers("say which version is champion"):
            for model in self._client.search_registered_models(f"name='{self._model}'"):
                if CHAMPION in model.aliases:
                    return self._version(self._client.get_model_version(self._model, model.aliases[CHAMPION]))
        return None

    def registered(self, run_id: str) -> Version | None:
        """The registered version of the model that this run trained, if any.

        Raises:
            UserError: MLflow does not answer.
        """
        with _answers("say which versions are registered"):
            found = [v for v in self._client.search_model_versions(f"name='{self._model}'") if v.run_id == run_id]
        return self._version(found[0]) if found else None

    def register(self, model_uri: str, tags: Mapping[str, str]) -> Version:
        """Register a logged model as a new version."""
        with redirect_stderr(io.StringIO()):  # MLflow prints two lines there
            return self._version(mlflow.register_model(model_uri, self._model, tags=dict(tags)))

    def compared(self, champion: Version, data: str, *, but: Version) -> int:
        """How many versions were compared with this champion on the data of this fingerprint, `but` not counted."""
        found = [self._version(v) for v in self._client.search_model_versions(f"name='{self._model}'")]
        wanted = {COMPARED: champion.number, "data": data}
        return sum(v.number != but.number and wanted.items() <= v.tags.items() for v in found)

    def decide(self, version: Version, promoted: bool, reason: str, champion: Version | None) -> None:
        """Write into a version's tags which champion it was compared with and the reason; then move the alias to it.

        The reason comes last: without it a call that was killed is made again.
        """
        tags = {} if champion is None else {COMPARED: champion.number}
        if promoted:
            self._client.set_registered_model_alias(self._model, CHAMPION, version.number)
        for name, value in {**tags, DECISION: reason}.items():
            self._client.set_model_version_tag(self._model, version.number, name, value)

    def _close_left_open(self, which: str) -> None:
        for run in self._client.search_runs([self._experiment], f"{which} and attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags.get(OWNER)):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _run(self, run_id: str) -> Run:
        return Run(run_id, f"#/experiments/{self._experiment}/runs/{run_id}")

    def _version(self, found: Any) -> Version:
        return Version(str(found.version), str(found.run_id), dict(found.tags))


@contextmanager
def _answers(what: str) -> Iterator[None]:
    """Say in one sentence that MLflow does not answer, or refuses."""
    try:
        yield
    except MlflowException as error:
        address = mlflow.get_tracking_uri().partition("@")[2] or mlflow.get_tracking_uri()
        reason = str(error).splitlines()[0]
        raise UserError(f"MLflow at {address} can't {what}: {reason}") from error
