"""The users that a new version has to answer personally before it becomes the default."""

from pathlib import Path

from recstack import columns as c
from recstack.archive.mar import packed_manifest
from recstack.archive.opening import connect
from recstack.errors import UserError
from recstack.settings import Settings


def known_users(archive: Path, settings: Settings) -> list[int]:
    """Those of the archive's `probe_users` with features in the online store; empty for archives that name none.

    Raises:
        UserError: the online store can't be read, or has none of these users: nobody would get a personal answer.
    """
    facts = packed_manifest(archive).facts
    if not facts.probe_users:
        return []
    try:
        rows = connect(facts, settings).users(facts.probe_users)
    except Exception as error:  # whatever a client of Redis, SQLite or the registry raises: it is not rolled out
        raise UserError(f"{archive.name} was not rolled out. The online store can't be read: {error!r}") from error
    counts = rows[c.RATING_COUNT].to_pylist()
    known = [user for user, count in zip(facts.probe_users, counts, strict=True) if count]
    if not known:
        users = ", ".join(map(str, facts.probe_users))
        raise UserError(
            f"{archive.name} was not rolled out. The online store has no features of its users {users}: "
            "run the flow materialize with the features that the model was trained on"
        )
    return known
