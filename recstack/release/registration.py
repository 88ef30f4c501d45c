"""Registers a candidate in MLflow and applies the promotion rule to it, both once."""

from collections.abc import Callable
from pathlib import Path

from recstack.release.comparison import Comparison
from recstack.release.promotion import decide_promotion
from recstack.storage.lake import Build
from recstack.tracking.tracker import DECISION, Tracker

UNDECIDED = "not decided: "


def register_candidate(
    tracker: Tracker, candidate: Build, report: Path, archive: Path, compare: Callable[[Path], Comparison]
) -> tuple[Path, str]:
    """Register a trained model, and make it champion if the promotion rule says so. A second call changes nothing.

    Args:
        tracker: the dataset's.
        candidate: what the flow `train` published.
        report: folder of its evaluation.
        archive: its `.mar` file.
        compare: compares the candidate with the published folder of the champion; called if there is one.

    Returns:
        The champion's archive, which is the one to serve, and the outcome in words.

    Raises:
        UserError: MLflow does not answer. Nothing is promoted then.
    """
    run_id = str(candidate.manifest["run_id"])
    data = str(candidate.manifest["data"])
    version = tracker.registered(run_id)
    if version is None:
        with tracker.resume(run_id) as run:
            run.file(archive, "archive")
            model = run.model(candidate.path / "bundle")
        tags = {"archive": str(archive), "trained": str(candidate.path), "report": str(report), "data": data}
        version = tracker.register(model, tags)
    champion = tracker.champion()
    reason = version.tags.get(DECISION, UNDECIDED)
    if champion is not None and champion.number == version.number:
        reason = version.tags.get(DECISION, "the call that promoted it was killed before it wrote the reason")
    elif champion is None or reason.startswith(UNDECIDED):  # without an alias the version is decided again
        attempt = 1 if champion is None else 1 + tracker.compared(champion, data, but=version)
        promote, reason, final = decide_promotion(candidate, champion, compare, attempt)
        tracker.decide(version, promote, reason if final else UNDECIDED + reason, champion if final else None)
        champion = version if promote else champion
    if champion is None or champion.number == version.number:
        return archive, f"version {version.number} is champion: {reason}"
    return Path(champion.tags["archive"]), f"champion stays {champion.number}, not version {version.number}: {reason}"
