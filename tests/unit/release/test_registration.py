from collections.abc import Callable
from pathlib import Path

import mlflow
from release_candidates import MEDIOCRE, published

from recstack.release.comparison import Comparison
from recstack.release.registration import register_candidate
from recstack.storage.lake import opened
from recstack.tracking.tracker import Tracker


def worse(champion: Path) -> Comparison:
    return Comparison(MEDIOCRE - 0.2, MEDIOCRE, champion_saw=False)


def test_a_candidate_is_registered_once_and_the_champions_archive_is_returned(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    tracker = open_tracker("registered")
    archives, answers = [], []
    for name in ("good", "bad"):
        archive = tmp_path / f"{name}.mar"
        archive.write_text(name)
        with tracker.run(name) as run:
            pass
        build = published(tmp_path / name, run_id=run.run_id)
        archives.append(archive)
        answers.append(register_candidate(tracker, build, tmp_path / "report", archive, worse))
    assert answers[0][0] == archives[0]
    assert answers[0][1].startswith("version 1 is champion: first model")
    assert answers[1][0] == archives[0]
    assert answers[1][1].startswith("champion stays 1, not version 2: test NDCG@10 ")
    assert register_candidate(tracker, build, tmp_path / "report", archives[1], worse) == answers[1]
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
    build = published(tmp_path / "killed", run_id=run.run_id)
    tracker.register(model, {"archive": str(archive), "trained": str(build.path)})
    assert tracker.champion() is None
    served, outcome = register_candidate(tracker, build, tmp_path, archive, worse)
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
    build = published(tmp_path / "first", run_id=run.run_id)
    register_candidate(tracker, build, tmp_path, archive, worse)
    mlflow.MlflowClient().delete_registered_model_alias("recstack-removed", "champion")
    served, outcome = register_candidate(tracker, build, tmp_path, archive, worse)
    assert (served, outcome.split(":")[0]) == (archive, "version 1 is champion")
    assert tracker.champion().number == "1"


def register(tracker: Tracker, folder: Path, name: str, compare: Callable[[Path], Comparison]) -> tuple[Path, str]:
    """Train and register a candidate of this name, unless that was done before."""
    archive = folder / f"{name}.mar"
    archive.touch()
    if not (folder / name).exists():
        with tracker.run(name) as run:
            pass
        published(folder / name, run_id=run.run_id)
    return register_candidate(tracker, opened(folder / name), folder, archive, compare)


def test_a_candidate_that_could_not_be_compared_is_refused_and_compared_by_the_next_call(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    def store_is_down(champion: Path) -> Comparison:
        raise OSError("the object store does not answer")

    def better(champion: Path) -> Comparison:
        return Comparison(MEDIOCRE + 0.2, MEDIOCRE, champion_saw=False)

    tracker = open_tracker("again")
    register(tracker, tmp_path, "first", worse)
    served, outcome = register(tracker, tmp_path, "second", store_is_down)
    assert served.name == "first.mar"
    assert "the object store does not answer" in outcome
    assert versions("again")[0].tags["champion_decision"].startswith("not decided: it could not be compared")
    served, outcome = register(tracker, tmp_path, "second", better)
    assert (served.name, outcome.split(":")[0]) == ("second.mar", "version 2 is champion")


def test_candidates_that_were_compared_with_the_champion_on_the_same_data_are_counted(
    open_tracker: Callable[[str], Tracker], tmp_path: Path
) -> None:
    tracker = open_tracker("counted")
    outcomes = [register(tracker, tmp_path, name, worse)[1] for name in ("a", "b", "c", "d")]
    assert "candidate" not in outcomes[1]
    assert "candidate 2 on these data" in outcomes[2]
    assert "candidate 3 on these data" in outcomes[3]
    assert register(tracker, tmp_path, "d", worse)[1] == outcomes[3]


def versions(experiment: str) -> list:
    found = mlflow.MlflowClient().search_model_versions(f"name='recstack-{experiment}'")
    return sorted(found, key=lambda version: version.version, reverse=True)
