"""Which code makes an output: a digest of the modules that a stage reaches and of the libraries that they import."""

import ast
import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).parents[2]
_BESIDE = tuple(f"{PACKAGE}.{room}" for room in ("tracking", "progress", "feature_store.feast_redis"))
"""Reached by stages without a part in what they write: MLflow's runs, progress lines, the online store in Redis."""


@dataclass(frozen=True)
class _Module:
    digest: str
    """SHA-256 of its syntax tree and of the files beside it, such as templates. Comments and docstrings don't count."""
    names: frozenset[str]
    """Dotted names that it imports or writes as text; a library class may be named in a configuration."""


@cache
def code_digest(*entries: str) -> str:
    """Digest of the code that makes an output: 16 hex digits.

    It covers every module of recstack that the entries import, directly or through others, also inside functions,
    and the installed version of every library that these modules import. What is imported by a computed name, such as
    a model or a dataset adapter, has to be an entry of its own.

    Args:
        entries: names of modules, such as "recstack.features.build".

    Raises:
        ModuleNotFoundError: an entry is no module with a file.
    """
    modules = {name: _read(name, _entry_file(name)) for name in entries}
    waiting = {name for module in modules.values() for name in module.names}
    while waiting:
        name, file = _module_of(waiting.pop())
        if file is not None and name not in modules and not name.startswith(_BESIDE):
            modules[name] = _read(name, file)
            waiting |= modules[name].names
    tops = {found.partition(".")[0] for module in modules.values() for found in module.names}
    libraries = tops - sys.stdlib_module_names - {PACKAGE}
    lines = [f"{name} {module.digest}" for name, module in modules.items()]
    lines += [f"{library} {installed}" for library in libraries if (installed := _version(library)) is not None]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _entry_file(name: str) -> Path:
    """The file of a module that may also lie outside of recstack, such as an adapter of a test."""
    if (file := _file(name)) is not None:
        return file
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is no module with a file")
    return Path(spec.origin)


def _module_of(name: str) -> tuple[str, Path | None]:
    """The module that a dotted name belongs to, and its file: of `a.b.C`, C may be a module or a name inside `a.b`."""
    while name and (file := _file(name)) is None:
        name = name.rpartition(".")[0]
    return name, file if name else None


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
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            names.update(f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}."):
            names.add(node.value)
    digest = hashlib.sha256(ast.dump(tree).encode())
    for other in sorted(file.parent.iterdir()) if name.startswith(PACKAGE) else ():
        if other.is_file() and other.suffix not in {".py", ".pyc"}:
            digest.update(other.read_bytes())
    return _Module(digest.hexdigest(), frozenset(names))


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring, of a function or of the name above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _version(library: str) -> str | None:
    """Installed version of the distribution that has this top-level module; None where it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        found = packages_distributions().get(library, [])
        return ", ".join(f"{name} {version(name)}" for name in sorted(set(found))) or None
