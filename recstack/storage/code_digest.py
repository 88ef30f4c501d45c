"""Which code makes an output: a digest of the modules that a stage reaches and of the libraries that they import."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).parents[2]
_RECORDERS = (f"{PACKAGE}.tracking", f"{PACKAGE}.progress")
"""They record and show how an output is made, and change nothing in it."""


@dataclass(frozen=True)
class _Module:
    digest: str
    """SHA-256 of its syntax tree: comments, docstrings and layout do not count."""
    names: frozenset[str]
    """Dotted names that it imports or writes as text; a library class may be named in a configuration."""


@cache
def code_digest(*entries: str) -> str:
    """Digest of the code that makes an output: 16 hex digits.

    It covers every module of recstack that the entries import, directly or through others and inside functions too,
    and the installed version of every library that these modules import. What is imported by a computed name, such as
    a model or a dataset adapter, has to be an entry of its own.

    Args:
        entries: names of modules, such as "recstack.features.build".

    Raises:
        ModuleNotFoundError: an entry is no module of recstack.
    """
    modules: dict[str, _Module] = {}
    waiting = list(entries)
    for entry in entries:
        if _file(entry) is None:
            raise ModuleNotFoundError(f"{entry} is no module of {PACKAGE}")
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if file is None or name in modules or name.startswith(_RECORDERS):
            continue
        modules[name] = _read(name, file)
        # Python runs `a/__init__.py` before `a/b.py`; of `a.b.C`, C may be a module or a name inside `a.b`.
        waiting += {parent for found in (name, *modules[name].names) for parent in _with_parents(found)}
    tops = {found.partition(".")[0] for module in modules.values() for found in module.names}
    libraries = tops - sys.stdlib_module_names - {PACKAGE}
    lines = [f"{name} {module.digest}" for name, module in modules.items()]
    lines += [f"{library} {installed}" for library in libraries if (installed := _version(library)) is not None]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _file(name: str) -> Path | None:
    """The file of a module of recstack; found without an import, which would run the package above it."""
    if name.partition(".")[0] != PACKAGE:
        return None
    base = _ROOT.joinpath(*name.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _read(name: str, file: Path) -> _Module:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(file.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            names.update(f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}."):
            names.add(node.value)
    return _Module(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(names))


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring, of a function or of the name above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _version(library: str) -> str | None:
    """Installed version of the distribution that brings this top-level module; None where it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        found = packages_distributions().get(library, [])
        return ", ".join(f"{name} {version(name)}" for name in sorted(set(found))) or None
