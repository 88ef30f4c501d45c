"""Imports Feast without the run-time type checks of its own functions, which take a third of the import."""

import warnings
from typing import Any, TypeVar

import typeguard

T = TypeVar("T")


def import_feast() -> None:
    """Import Feast with typeguard's decorator switched off; a second call changes nothing.

    typeguard compiles every decorated function again. `python -O` would leave that out too, but also all assertions.
    benchmarks/NOTES.md, "Cold start and memory of a worker", has what this saves.
    """
    checks: Any = typeguard
    original = checks.typechecked
    checks.typechecked = _unchecked
    try:
        with warnings.catch_warnings():  # Feast shows the deprecation warnings of all libraries from then on
            import feast  # noqa: F401
    finally:
        checks.typechecked = original


def _unchecked(target: T) -> T:
    return target
