import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from workspace import Workspace

from recstack.evaluation.report.files import write_report
from recstack.experiments.compare import compare
from recstack.features import spec
from recstack.tracking.results import record_evaluation, record_training
from recstack.tracking.tracker import Tracker
from recstack.training.files import TRAINING, VALIDATION, read_curve, write_training
from recstack.training.train import train


def test_the_results_of_a_training_and_an_evaluation_are_stored_in_files_and_in_mlflow(
    shop: Workspace, open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    experiment = shop.experiment
    options = {"epochs": 2}
    trained = train(experiment, "genre_ncf", options=options)
    compared = compare(experiment, ["popularity"])
    report = tmp_path / "report"
    report.mkdir()
    with open_tracker("figures").run("genre_ncf") as run:
        facts = write_training(tmp_path, trained, experiment)
        record_training(run, tmp_path, trained, experiment)
        write_report(report, compared)
        record_evaluation(run, report, compared, "genre_ncf")

    assert facts["data"] == experiment.fingerprint
    assert facts["rows"] == len(trained.data.item)
    assert facts["epochs"] == len(trained.epochs) == 2
    assert read_curve(tmp_path) == trained.epochs
    np.testing.assert_array_equal(np.load(tmp_path / VALIDATION), trained.validation)
    assert json.loads((tmp_path / TRAINING).read_text())["options"] == trained.options
    written = json.loads((report / "report.json").read_text())
    assert written["protocol"] == experiment.protocol

    client = mlflow.MlflowClient()
    found = client.get_run(run.run_id)
    assert found.data.params["model"] == "genre_ncf"
    assert found.data.tags["features"] == shop.features.path.name
    assert found.data.tags["feature_schema"] == spec.schema_digest()
    assert found.data.metrics["validation_ndcg_at_10_best"] == pytest.approx(facts["validation"])
    ndcg = written["models"]["popularity"]["ndcg@10"]["mean"]
    assert found.data.metrics["popularity/test_ndcg_at_10"] == pytest.approx(ndcg)
    assert [point.step for point in client.get_metric_history(run.run_id, "loss")] == [1, 2]
    assert {file.path for file in client.list_artifacts(run.run_id, "evaluation")} == {
        f"evaluation/{name}"
        for name in ("report.json", "table.md", "report.html", "recall_by_decile.png", "coverage.png")
    }
    (learned,) = found.inputs.dataset_inputs
    assert (learned.dataset.name, learned.dataset.digest) == ("shop", experiment.fingerprint)
