from collections.abc import Callable
from pathlib import Path

import mlflow
from release_candidates import MEDIOCRE, published

from recstack.release.registration import register_candidate
from recstack.tracking.tracker import Tracker


def test_a_candidate_is_registered_once_and_the_champions_archive_is_returned(
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
        answers.append(register_candidate(tracker, build, tmp_path / "report", archive))
    assert answers[0][0] == archives[0]
    assert answers[0][1].startswith("version 1 is champion: first model; validation NDCG@10 ")
    assert answers[1][0] == archives[0]
    assert answers[1][1].startswith("champion stays 1, not version 2: validation NDCG@10 ")
    assert register_candidate(tracker, build, tmp_path / "report", archives[1]) == answers[1]
    assert [version.version for version in versions("registered")] == [2, 1]
    reason = versions("registered")[0].tags["champion_decision"]
    assert "paired difference -0.2000" in reason

    client = mlflow.MlflowClient()
    assert [file.path for file in client.list_artifacts(run.run_id, "archive")] == ["archive/bad.mar"]
    signature = mlflow.models.get_model_info(f"models:/{versions('registered')[0].name}/1").signature
    assert [column.name for column in signature.inputs] == ["request"]


def test_a_registration_that_was_killed_before_the_decision_is_decided_by_the_next_call(
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
    served, outcome = register_candidate(tracker, build, tmp_path, archive)
    assert (served, outcome.split(":")[0]) == (archive, "version 1 is champion")
    assert tracker.champion().number == "1"


def test_after_its_alias_was_removed_a_version_is_decided_again(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    tracker = open_tracker("removed")
    archive = tmp_path / "a.mar"
    archive.touch()
    with tracker.run("first") as run:
        pass
    build = published(tmp_path / "first", MEDIOCRE, run_id=run.run_id)
    register_candidate(tracker, build, tmp_path, archive)
    mlflow.MlflowClient().delete_registered_model_alias("recstack-removed", "champion")
    served, outcome = register_candidate(tracker, build, tmp_path, archive)
    assert (served, outcome.split(":")[0]) == (archive, "version 1 is champion")
    assert tracker.champion().number == "1"


def versions(experiment: str) -> list:
    found = mlflow.MlflowClient().search_model_versions(f"name='recstack-{experiment}'")
    return sorted(found, key=lambda version: version.version, reverse=True)
