"""The base of every error that a person can mend: its message says what was wrong, where, and what to do."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class UserError(Exception):
    """Shown without a trace by the command line."""


class DataError(UserError, ValueError):
    """The data can't be used. The message says which file or table, what is wrong and what to do."""


def choose(kind: str, name: str, known: Mapping[str, T]) -> T:
    """The entry of that name.

    Raises:
        UserError: there is none; the message lists what there is.
    """
    if name not in known:
        raise UserError(f"there is no {kind} {name!r}; choose one of {', '.join(known)}")
    return known[name]
