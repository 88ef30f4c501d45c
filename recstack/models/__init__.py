"""Models: one folder each, found automatically; a new folder with a `model.py` is a new model everywhere."""

from importlib import import_module
from importlib.util import find_spec
from inspect import getmembers, isabstract, isclass
from pkgutil import iter_modules

from recstack.models.base import Recommender


def model_names() -> list[str]:
    """The names of all models, sorted: those of the folders with a `model.py`. Imports no model."""
    folders = sorted(info.name for info in iter_modules(__path__) if info.ispkg)
    return [folder for folder in folders if find_spec(f"{__name__}.{folder}.model")]


def models() -> dict[str, type[Recommender]]:
    """Every model of this package by its name, sorted.

    Raises:
        ValueError: a folder does not have exactly one model of the folder's name.
    """
    return {name: _model(name) for name in model_names()}


def _model(name: str) -> type[Recommender]:
    module = import_module(f"{__name__}.{name}.model")
    found = [
        member
        for _, member in getmembers(module, isclass)
        if member.__module__ == module.__name__ and issubclass(member, Recommender) and not isabstract(member)
    ]
    if [member.name for member in found] != [name]:
        names = ", ".join(repr(member.name) for member in found) or "none"
        raise ValueError(f"{module.__name__} must have one model, named {name!r} like its folder, not {names}")
    return found[0]
