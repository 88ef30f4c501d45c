"""Registers a candidate in MLflow and applies the promotion rule to it, both once."""

from pathlib import Path

from recstack.release.promotion import decide_promotion
from recstack.storage.lake import Build
from recstack.tracking.tracker import DECISION, Tracker


def register_candidate(tracker: Tracker, candidate: Build, report: Path, archive: Path) -> tuple[Path, str]:
    """Register a trained model, and make it champion if the promotion rule says so. A second call changes nothing.

    Args:
        tracker: the dataset's.
        candidate: what the flow `train` published.
        report: folder of its evaluation.
        archive: its `.mar` file.

    Returns:
        The champion's archive, which is the one to serve, and the outcome in words.
    """
    run_id = str(candidate.manifest["run_id"])
    version = tracker.registered(run_id)
    if version is None:
        with tracker.resume(run_id) as run:
            run.file(archive, "archive")
            model = run.model(candidate.path / "bundle")
        tags = {
            "archive": str(archive),
            "trained": str(candidate.path),
            "report": str(report),
            "data": str(candidate.manifest["data"]),
        }
        version = tracker.register(model, tags)
    champion = tracker.champion()
    reason = version.tags.get(DECISION)
    if reason is None or champion is None:  # not decided yet, or its alias was removed to let this version win
        promote, reason = decide_promotion(candidate, champion)
        tracker.decide(version, promote, reason)
        champion = version if promote else champion
    if champion is None or champion.number == version.number:
        return archive, f"version {version.number} is champion: {reason}"
    return Path(champion.tags["archive"]), f"champion stays {champion.number}, not version {version.number}: {reason}"
