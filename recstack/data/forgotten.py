"""The list of users who asked to be forgotten: no version of a dataset that is ingested from then on knows them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.storage.lake import NO_REMOTE, Remote, build_once, current, digest

FOLDER: Final = "forgotten"
"""Output of the lake that holds the list; nothing else keeps it, so it has to outlive the versions beside it."""

REASON: Final = "forgotten"
"""Under this reason a manifest counts the rows that were left out."""


@dataclass(frozen=True)
class Forgotten:
    """Users as salted SHA-256 digests, so that the list does not spell out who is on it."""

    salt: str = ""
    users: tuple[str, ...] = ()
    """64 hex digits each, ascending."""

    def __bool__(self) -> bool:
        """Whether anyone is on the list."""
        return bool(self.users)

    def __contains__(self, user: str) -> bool:
        """Whether a user is on the list, by their id as the source has it; a number in decimal digits."""
        return self.digest(user) in self.users

    @property
    def version(self) -> str:
        """Changes with the list; an input of what is made without these users."""
        return digest([self.salt, self.users])

    def digest(self, user: str) -> str:
        """What the list keeps of a user."""
        return hashlib.sha256(f"{self.salt}{user}".encode()).hexdigest()

    def with_user(self, user: str) -> "Forgotten":
        """The list with one more user."""
        salted = self if self.salt else Forgotten(uuid4().hex)
        return Forgotten(salted.salt, tuple(sorted({*salted.users, salted.digest(user)})))

    def alone(self, user: str) -> "Forgotten":
        """A list of this user only."""
        return Forgotten(self.salt, (self.digest(user),))

    def named(self, ids: Column) -> Column:
        """Whether each id (a number or a word) is on the list; false for null."""
        salted = F.sha2(F.concat(F.lit(self.salt), ids.cast("string")), 256)
        return F.coalesce(salted.isin(list(self.users)), F.lit(False))

    def leave_out(self, rows: DataFrame) -> DataFrame:
        """The rows of other users."""
        return rows.where(~self.named(F.col(c.USER_ID))) if self else rows

    def count(self, rows: DataFrame) -> int:
        """How many rows `leave_out` leaves out; reads them all."""
        return rows.where(self.named(F.col(c.USER_ID))).count() if self else 0


NOBODY: Final = Forgotten()


def forgotten_users(lake: Path, remote: Remote = NO_REMOTE) -> Forgotten:
    """The list of a lake, as any machine published it last."""
    remote.fetch_current(lake / FOLDER)
    try:
        inputs = current(lake / FOLDER).manifest["inputs"]
    except FileNotFoundError:
        return NOBODY
    return Forgotten(inputs["salt"], tuple(inputs["users"]))


def publish(forgotten: Forgotten, lake: Path, remote: Remote = NO_REMOTE) -> None:
    """Make this the list of a lake, here and in the object store."""

    def build(draft: Path) -> dict[str, Any]:
        return {}  # the manifest holds all of it

    inputs = {"salt": forgotten.salt, "users": forgotten.users}
    build_once(lake / FOLDER, inputs, build, made_by=[__name__], remote=remote)
