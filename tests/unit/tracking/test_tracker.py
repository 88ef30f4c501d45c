import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import psutil
import pytest

from recstack.errors import UserError
from recstack.tracking.owner import this_process
from recstack.tracking.tracker import Tracker


def test_a_run_stores_parameters_tags_curves_files_and_its_dataset(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    (tmp_path / "table.md").write_text("| a |")
    with open_tracker("kept").run("first") as run:
        run.params({"epochs": 3})
        run.tags({"feature_schema": "feed"})
        for epoch, value in ((1, 0.1), (2, 0.3)):
            run.metrics({"validation_ndcg@10": value}, step=epoch)
        run.file(tmp_path / "table.md", "plots")
        run.files(tmp_path, "all")
        run.dataset("shop", tmp_path, "0123456789abcdef")

    client = mlflow.MlflowClient()
    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"epochs": "3"}
    assert found.data.tags["feature_schema"] == "feed"
    curve = client.get_metric_history(run.run_id, "validation_ndcg_at_10")
    assert [(point.step, point.value) for point in curve] == [(1, 0.1), (2, 0.3)]
    for folder in ("plots", "all"):
        assert [file.path for file in client.list_artifacts(run.run_id, folder)] == [f"{folder}/table.md"]
    (learned,) = found.inputs.dataset_inputs
    assert (learned.dataset.name, learned.dataset.digest) == ("shop", "0123456789abcdef")


def test_the_url_of_a_run_is_that_of_its_page_in_mlflow(open_tracker: Callable[[str], Tracker]) -> None:
    with open_tracker("page").run("first") as run:
        pass
    experiment = mlflow.MlflowClient().get_experiment_by_name("page").experiment_id
    assert run.url == f"#/experiments/{experiment}/runs/{run.run_id}"


def test_artifacts_are_stored_below_the_uri_of_the_experiment(
    open_tracker: Callable[[str], Tracker], mlflow_home: Path
) -> None:
    (mlflow_home / "note").write_text("x")
    with open_tracker("artifacts").run("first") as run:
        run.file(mlflow_home / "note")
    assert list((mlflow_home / "artifacts" / "artifacts").rglob("note"))


def test_a_run_whose_block_raises_gets_the_status_failed(open_tracker: Callable[[str], Tracker]) -> None:
    with pytest.raises(RuntimeError), open_tracker("failing").run("first") as run:
        raise RuntimeError("out of memory")
    assert mlflow.MlflowClient().get_run(run.run_id).info.status == "FAILED"


def test_only_runs_of_processes_that_have_ended_get_the_status_killed(open_tracker: Callable[[str], Tracker]) -> None:
    tracker = open_tracker("killed")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("killed").experiment_id
    host = socket.gethostname()
    with subprocess.Popen(["sleep", "60"]) as other:
        alive = f"{host} {other.pid} {psutil.Process(other.pid).create_time():.0f}"
        owners = {
            "ended": f"{host} {2**22 + 1} 1700000000",
            "its number was given to another process": f"{host} {os.getpid()} 1700000000",
            "alive": alive,
            "of another machine": "elsewhere 1 1700000000",
            "unknown": None,
        }
        tags = {name: {"recstack.process": owner} if owner else {} for name, owner in owners.items()}
        runs = {n: client.create_run(experiment, run_name="fit 1", tags=tags[n]).info.run_id for n in owners}
        ended = f"{host} {2**22 + 1} 1700000000"
        other_name = client.create_run(experiment, run_name="fit 2", tags={"recstack.process": ended}).info.run_id
        with tracker.run("fit 1") as again:
            assert client.get_run(again.run_id).data.tags["recstack.process"] == this_process()
        other.kill()
    killed = [name for name, run in runs.items() if client.get_run(run).info.status == "KILLED"]
    assert killed == ["ended", "its number was given to another process"]
    assert client.get_run(other_name).info.status == "RUNNING"
    assert client.get_run(again.run_id).info.status == "FINISHED"


def test_a_registered_model_installs_nothing_by_the_name_of_recstack(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    with open_tracker("requirements").run("first") as run:
        uri = run.model(tmp_path)
    files = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "downloaded")))
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml"):
        assert "recstack" not in (files / name).read_text()


def test_an_mlflow_that_does_not_answer_does_not_look_as_if_there_were_no_champion(
    open_tracker: Callable[[str], Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker("down")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    tracker._client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
    with pytest.raises(UserError, match="can't say which version is champion"):
        tracker.champion()


def test_a_run_can_be_resumed(open_tracker: Callable[[str], Tracker]) -> None:
    with open_tracker("resumed").run("first") as run:
        run.metrics({"loss": 1.0})
    with open_tracker("resumed").resume(run.run_id) as again:
        again.metrics({"test_ndcg@10": 0.5})
    assert (again.run_id, again.url) == (run.run_id, run.url)
    assert mlflow.MlflowClient().get_run(run.run_id).data.metrics == {"loss": 1.0, "test_ndcg_at_10": 0.5}


def test_resuming_an_unknown_run_is_an_error_that_says_what_to_do(open_tracker: Callable[[str], Tracker]) -> None:
    with pytest.raises(UserError, match="does not know run feedfeed.*remove the folder"):
        with open_tracker("unknown").resume("feedfeed"):
            pass


def test_the_alias_moves_to_promoted_versions_only(open_tracker: Callable[[str], Tracker], tmp_path: Path) -> None:
    tracker = open_tracker("alias")
    assert tracker.champion() is None
    versions, champion = [], None
    for turn, won in enumerate((True, False, True)):
        with tracker.run(str(turn)) as run:
            model = run.model(tmp_path)
        assert tracker.registered(run.run_id) is None
        version = tracker.register(model, {"archive": f"{turn}.mar"})
        tracker.decide(version, won, f"reason {turn}", champion)
        versions.append(version)
        champion = tracker.champion()
        assert champion is not None
        assert champion.number == [versions[0], versions[0], versions[-1]][turn].number
        registered = tracker.registered(run.run_id)
        assert registered is not None
        assert registered.number == version.number
        compared = {"compared_with_champion": versions[0].number} if turn else {}
        assert registered.tags == {"archive": f"{turn}.mar", "champion_decision": f"reason {turn}"} | compared


def test_each_dataset_has_its_own_champion(open_tracker: Callable[[str], Tracker], tmp_path: Path) -> None:
    one, other = open_tracker("films"), open_tracker("songs")
    with one.run("first") as run:
        model = run.model(tmp_path)
    version = one.register(model, {})
    one.decide(version, True, "first", None)
    assert one.champion() is not None
    assert other.champion() is None
