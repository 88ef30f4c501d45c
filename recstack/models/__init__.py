"""Models: one file each, found by themselves; a new file is a new model everywhere."""

from importlib import import_module
from inspect import getmembers, isabstract, isclass
from pkgutil import iter_modules

from recstack.models.base import Recommender


def models() -> dict[str, type[Recommender]]:
    """Every model of this package by its name, sorted.

    Raises:
        ValueError: two models carry the same name.
    """
    found: dict[str, type[Recommender]] = {}
    for module in sorted(f"{__name__}.{info.name}" for info in iter_modules(__path__)):
        for _, member in getmembers(import_module(module), isclass):
            if member.__module__ != module or not issubclass(member, Recommender) or isabstract(member):
                continue
            if member.name in found:
                raise ValueError(f"{module} and {found[member.name].__module__} both name their model {member.name!r}")
            found[member.name] = member
    return dict(sorted(found.items()))
