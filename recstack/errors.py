"""The base of all errors that a user can correct: the message says what is wrong, where, and what to do."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class UserError(Exception):
    """The command line shows its message without a stack trace."""


class DataError(UserError, ValueError):
    """The data can't be used; the message names the file or table."""


def choose(kind: str, name: str, known: Mapping[str, T]) -> T:
    """The entry of that name; `kind` says in the error what it is a name of.

    Raises:
        UserError: there is none; the message lists the known names.
    """
    if name not in known:
        raise UserError(f"there is no {kind} {name!r}; choose one of {', '.join(known)}")
    return known[name]
