"""The promotion rule: which model version becomes champion, and why."""

from pathlib import Path

import numpy as np

from recstack.archive.bundle import Bundle, BundleError
from recstack.evaluation.bootstrap import difference, intervals
from recstack.storage.lake import Build, opened
from recstack.tracking.results import VALIDATION
from recstack.tracking.tracker import DECISION, Tracker, Version


def register_model(tracker: Tracker, trained: Build, report: Path, archive: Path) -> tuple[Path, str]:
    """Register a trained model once, and let it become champion if it deserves to.

    Args:
        tracker: the experiment's.
        trained: what the flow `train` published.
        report: folder of its evaluation.
        archive: its `.mar` file.

    Returns:
        The archive of the champion, which is the one to serve, and what was decided in words.
    """
    run_id = str(trained.manifest["run_id"])
    version = tracker.registered(run_id)
    if version is None:
        with tracker.resume(run_id) as run:
            run.file(archive, "archive")
            model = run.model(trained.path / "bundle")
        tags = {
            "archive": str(archive),
            "trained": str(trained.path),
            "report": str(report),
            "data": str(trained.manifest["data"]),
        }
        version = tracker.register(model, tags)
    if DECISION not in version.tags:  # new, or a run was killed before it could decide
        promoted, reason = verdict(trained, tracker.champion())
        tracker.decide(version, promoted, reason)
    champion = tracker.champion()
    if champion is None or champion.number == version.number:
        return archive, f"version {version.number} is champion"
    return Path(champion.tags["archive"]), f"version {version.number} is not better; champion stays {champion.number}"


def verdict(challenger: Build, champion: Version | None) -> tuple[bool, str]:
    """Whether a model takes over, and why.

    On the same data the validation users are the same, and the paired 95 % interval of the difference must lie above
    zero. On other data nothing can be paired: newer data win unless the model is worse beyond noise.
    """
    ours = np.load(challenger.path / VALIDATION)
    if champion is None:
        return True, f"first model; validation NDCG@10 {ours.mean():.4f}" if len(ours) else "first model"
    if not Path(champion.tags["archive"]).exists():
        return True, f"the archive of champion {champion.number} is gone: {champion.tags['archive']}"
    try:
        bundle = Bundle.read(Path(champion.tags["trained"]) / "bundle")
        bundle.model(bundle.encoder.items(bundle.items))
    except BundleError as error:
        return True, f"champion {champion.number} can't be served any more: {error}"
    theirs = np.load(opened(Path(champion.tags["trained"])).path / VALIDATION)
    if not len(ours) or not len(theirs):
        return True, f"champion {champion.number} and this model have no validation users to compare on"
    if champion.tags["data"] == challenger.manifest["data"]:
        gain = difference(ours, theirs)
        interval = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over champion {champion.number}"
        return gain.above_zero, f"validation NDCG@10 {ours.mean():.4f}, paired difference {interval}"
    mine, other = intervals(ours[:, None])[0], intervals(theirs[:, None])[0]
    reason = (
        f"other data than champion {champion.number}, so not paired: validation NDCG@10 {mine.mean:.4f} "
        f"[{mine.low:.4f}, {mine.high:.4f}] against {other.mean:.4f} [{other.low:.4f}, {other.high:.4f}]"
    )
    return mine.high >= other.low, reason
