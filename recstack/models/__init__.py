"""Models: one folder each, found automatically; a new folder with a `model.py` is a new model everywhere."""

from importlib import import_module
from importlib.util import find_spec
from inspect import getmembers, isabstract, isclass
from pkgutil import iter_modules

from recstack.models.base import Recommender


def models() -> dict[str, type[Recommender]]:
    """Every model of this package by its name, sorted.

    Raises:
        ValueError: two models have the same name.
    """
    found: dict[str, type[Recommender]] = {}
    folders = sorted(f"{__name__}.{info.name}" for info in iter_modules(__path__) if info.ispkg)
    for module in (f"{folder}.model" for folder in folders if find_spec(f"{folder}.model")):
        for _, member in getmembers(import_module(module), isclass):
            if member.__module__ != module or not issubclass(member, Recommender) or isabstract(member):
                continue
            if member.name in found:
                raise ValueError(f"{module} and {found[member.name].__module__} both name their model {member.name!r}")
            found[member.name] = member
    return dict(sorted(found.items()))
