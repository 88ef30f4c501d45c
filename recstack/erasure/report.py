"""What was removed of a user, and what nobody but the people who run recstack can remove."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ErasureReport:
    """Answer to a user who asked to be forgotten. It does not name the user."""

    dataset: str
    removed: tuple[str, ...]
    """What this call removed, and where; a call that completes an interrupted one lists only its own part."""
    to_do: tuple[str, ...]
    """What still holds something of the user, and what to do about it."""

    def lines(self) -> list[str]:
        """The report as lines of text."""
        done = [f"removed  {line}" for line in self.removed] or ["removed  nothing: it was gone already"]
        return [*done, *(f"to do    {line}" for line in self.to_do)]


def to_do(dataset: str, models: list[str], online: str, object_store: bool) -> tuple[str, ...]:
    """What recstack can't remove itself.

    Args:
        dataset: its name.
        models: versions of models that may have learned from the user.
        online: the setting FEAST_ONLINE.
        object_store: whether there is one.
    """
    learned = ", ".join(models) or "none in this lake"
    lines = [
        f"models that may have learned from the user ({learned}): run `pipeline`; after its rollout remove them from "
        "lake/models, lake/reports, MODEL_STORE and MLflow, with the files of their runs",
        f"the source files of {dataset}: `ingest` leaves the user out, the files themselves still name them",
        "logs of TorchServe, and pages of Prefect: both may name the user's id",
        "backups made before today: `recstack forget` again after restoring one",
    ]
    if object_store:
        lines.append(
            f"the object store: {dataset}/source has the source files, {dataset}/models and archives have the models; "
            "a bucket that keeps old versions of objects keeps what was removed"
        )
    if online != "sqlite":
        lines.append("Redis: its append-only file holds the removed row until `redis-cli BGREWRITEAOF`")
    return tuple(lines)
