"""Finds uses of what a library keeps to itself: private attributes, private modules, modules it does not document."""

import ast
from collections.abc import Iterator, Mapping

GUARDED = ("recstack/feature_store/feast_redis/", "recstack/feature_store/feast_duckdb.py")
"""Here such uses are allowed: this code checks the version of Feast, and one setting replaces it."""
UNDOCUMENTED = (
    "feast.infra.compute_engines",
    "feast.infra.key_encoding_utils",
    "feast.infra.offline_stores.ibis",
    "feast.infra.offline_stores.offline_utils",
    "feast.infra.online_stores.helpers",
    "mlflow.data.meta_dataset",
    "mlflow.data.sources",
    "mlflow.db",
    "mlflow.store",
    "mlflow.telemetry",
    "mlflow.utils",
    "model_archiver",
    "pyspark.sql.pandas",
)
"""Modules that their projects neither document nor mark by an underscore."""
DOCUMENTED = (
    "feast.infra.compute_engines.base.ComputeEngine",
    "feast.infra.compute_engines.local.job.LocalMaterializationJob",
    "feast.infra.key_encoding_utils.serialize_entity_key",
)
"""Parts of these that are documented: in Feast's page "Adding a custom compute engine", and in its specification of the
format of online stores."""
PUBLIC = {"_asdict", "_exit", "_fields", "_make", "_replace"}
"""Documented names of the standard library that begin with an underscore."""

Trees = Mapping[str, ast.Module]


def private_uses(trees: Trees) -> list[str]:
    """Uses outside the guarded places, as `file:line: name`, in all files of the repository.

    A private name counts as the repository's own if any of its files defines it.
    """
    own = PUBLIC | {name for tree in trees.values() for name in _defined(tree)}
    return [
        f"{file}:{line}: {name}"
        for file, tree in trees.items()
        if not file.startswith(GUARDED)
        for line, name in sorted(_used(tree))
        if name not in own
    ]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name.strip("_") != ""


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def _used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if _is_private(name):
                yield node.lineno, name
            case ast.Call(
                func=ast.Name(id="getattr") | ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                if _is_private(name):
                    yield node.lineno, name
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names if _is_internal(alias.name))
            case ast.ImportFrom(module=str(module), names=names):
                for full in (f"{module}.{alias.name}" for alias in names):
                    if _is_internal(full):
                        yield node.lineno, full.rsplit(".", 1)[1] if module.startswith("recstack") else full


def _is_internal(module: str) -> bool:
    if module in DOCUMENTED:
        return False
    return any(map(_is_private, module.split("."))) or any(
        module == name or module.startswith(f"{name}.") for name in UNDOCUMENTED
    )
