import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import tiny_catalogue as tiny
from workspace import Workspace

from recstack.archive.bundle import Facts, write_bundle
from recstack.experiments.compare import compare
from recstack.features import spec
from recstack.release.promotion import register_model, verdict
from recstack.storage.lake import MANIFEST, Build, opened
from recstack.tracking.results import (
    TRAINING,
    VALIDATION,
    read_curve,
    record_evaluation,
    record_training,
    write_evaluation,
    write_training,
)
from recstack.tracking.tracker import Tracker, Version
from recstack.training.train import train

MEDIOCRE = np.linspace(0.0, 0.6, 200)
NOISE = np.random.default_rng(0).normal(0, 0.2, 200)


def published(folder: Path, validation: np.ndarray, data: str = "same", run_id: str = "run") -> Build:
    """A trained model as the flow publishes it."""
    (folder / "bundle").mkdir(parents=True)
    facts = Facts(
        model_version=folder.name,
        dataset="tiny",
        timed=True,
        scale=tiny.SCALE,
        config={},
        data_fingerprint=data,
        run_id=run_id,
    )
    write_bundle(folder / "bundle", tiny.model(), tiny.encoder(), tiny.titles(), tiny.items(), facts)
    np.save(folder / VALIDATION, validation)
    (folder / MANIFEST).write_text(json.dumps({"data": data, "run_id": run_id}))
    return opened(folder)


@pytest.fixture
def champion(tmp_path: Path) -> Version:
    archive = tmp_path / "champion.mar"
    archive.touch()
    build = published(tmp_path / "champion", MEDIOCRE)
    return Version("4", "run", {"archive": str(archive), "trained": str(build.path), "data": "same"})


def test_the_first_model_is_champion(tmp_path: Path) -> None:
    assert verdict(published(tmp_path / "new", MEDIOCRE), None) == (True, "first model; validation NDCG@10 0.3000")


def test_a_model_that_is_better_for_most_users_takes_over(tmp_path: Path, champion: Version) -> None:
    won, reason = verdict(published(tmp_path / "new", MEDIOCRE + 0.05 + NOISE / 10), champion)
    assert won
    assert "paired difference +0.05" in reason
    assert "over champion 4" in reason


@pytest.mark.parametrize("change", [0.0, -0.05, 0.005 + NOISE - NOISE.mean()], ids=["equal", "worse", "within noise"])
def test_a_model_that_is_not_better_beyond_noise_does_not(
    tmp_path: Path, champion: Version, change: float | np.ndarray
) -> None:
    won, reason = verdict(published(tmp_path / "new", MEDIOCRE + change), champion)
    assert not won
    assert "paired difference" in reason


@pytest.mark.parametrize(("mean", "wins"), [(0.3, True), (0.05, False)], ids=["as good", "clearly worse"])
def test_newer_data_win_unless_the_model_is_worse_beyond_noise(
    tmp_path: Path, champion: Version, mean: float, wins: bool
) -> None:
    validation = np.clip(mean + NOISE[:120] / 10, 0, 1)  # other users, and fewer
    won, reason = verdict(published(tmp_path / "new", validation, data="other"), champion)
    assert won is wins
    assert "other data than champion 4, so not paired" in reason


def test_a_champion_whose_archive_is_gone_gives_way(tmp_path: Path, champion: Version) -> None:
    Path(champion.tags["archive"]).unlink()
    won, reason = verdict(published(tmp_path / "new", MEDIOCRE - 0.1), champion)
    assert won
    assert reason == f"the archive of champion 4 is gone: {champion.tags['archive']}"


def test_a_champion_that_can_no_longer_be_served_gives_way(tmp_path: Path, champion: Version) -> None:
    manifest = Path(champion.tags["trained"]) / "bundle" / "bundle.json"
    manifest.write_text(manifest.read_text().replace(spec.schema_digest(), "feedfeedfeedfeed"))
    won, reason = verdict(published(tmp_path / "new", MEDIOCRE - 0.1), champion)
    assert won
    assert "can't be served any more" in reason
    assert "feedfeedfeedfeed" in reason


def test_without_validation_users_the_new_model_takes_over(tmp_path: Path, champion: Version) -> None:
    won, reason = verdict(published(tmp_path / "new", np.zeros(0)), champion)
    assert won
    assert "no validation users" in reason


def test_a_model_is_registered_once_with_its_archive_and_the_champion_is_served(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    tracker = open_tracker("registered")
    archives, answers = [], []
    for name, validation in (("good", MEDIOCRE + 0.2), ("bad", MEDIOCRE)):
        archive = tmp_path / f"{name}.mar"
        archive.write_text(name)
        with tracker.run(name) as run:
            pass
        build = published(tmp_path / name, validation, run_id=run.run_id)
        archives.append(archive)
        answers.append(register_model(tracker, build, tmp_path / "report", archive))
    assert answers[0] == (archives[0], "version 1 is champion")
    assert answers[1] == (archives[0], "version 2 is not better; champion stays 1")
    assert register_model(tracker, build, tmp_path / "report", archives[1]) == answers[1]
    assert [version.version for version in versions("registered")] == [2, 1]
    reason = versions("registered")[0].tags["champion_decision"]
    assert "paired difference -0.2000" in reason

    client = mlflow.MlflowClient()
    assert [file.path for file in client.list_artifacts(run.run_id, "archive")] == ["archive/bad.mar"]
    signature = mlflow.models.get_model_info(f"models:/{versions('registered')[0].name}/1").signature
    assert [column.name for column in signature.inputs] == ["request"]


def test_a_registration_that_was_killed_before_its_decision_is_decided_the_next_time(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    tracker = open_tracker("undecided")
    archive = tmp_path / "a.mar"
    archive.touch()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    with tracker.run("killed") as run:
        model = run.model(bundle)
    build = published(tmp_path / "killed", MEDIOCRE, run_id=run.run_id)
    tracker.register(model, {"archive": str(archive), "trained": str(build.path)})
    assert tracker.champion() is None
    assert register_model(tracker, build, tmp_path, archive) == (archive, "version 1 is champion")


def versions(experiment: str) -> list:
    found = mlflow.MlflowClient().search_model_versions(f"name='recstack-{experiment}'")
    return sorted(found, key=lambda version: version.version, reverse=True)


def test_training_and_evaluation_of_a_real_model_leave_their_figures_in_files_and_in_mlflow(
    shop: Workspace, open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    experiment = shop.experiment
    options = {"epochs": 2}
    trained = train(experiment, "genre_ncf", options=options)
    compared = compare(experiment, ["popularity"], say=lambda line: None)
    report = tmp_path / "report"
    report.mkdir()
    with open_tracker("figures").run("genre_ncf") as run:
        facts = write_training(tmp_path, trained, experiment, run)
        record_training(run, tmp_path, trained, experiment)
        write_evaluation(report, compared)
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
