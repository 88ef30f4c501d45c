"""Rules about the shape of the source that no linter knows."""

import ast
import statistics
import tomllib
from collections.abc import Iterator

import pytest
from checkout import ROOT
from private_parts import GUARDED, UNDOCUMENTED, private_uses

EDGES = {
    "recstack/cli/__init__.py",
    "recstack/cli/data.py",
    "recstack/training/distributed.py",  # started by torchrun
    "recstack/tracking/tracker.py",  # a model that MLflow loads is an edge too
    "serving/handler.py",
    "serving/container.py",
    "serving/feature_server.py",
    "feature_repo/definitions.py",
}

LONGEST_FILE, MEDIAN_FILE, LOOSE_FILES = 300, 100, 6
MODEL_FILES = {"__init__", "model", "network", "inputs", "stacking"}
"""Names of a model's files: the same in each folder, so that a reader knows where to look."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("recstack", "flows", "serving", "feature_repo"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def files_with(matches: type[ast.AST], text: str) -> set[str]:
    """Files that hold a node of this type that reads `text`."""
    return {
        file
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, matches) and ast.unparse(node) == text
    }


def test_only_settings_reads_the_environment() -> None:
    # spark.py sets the interpreter of Spark's workers, which Spark takes from nowhere else.
    assert files_with(ast.Attribute, "os.environ") == {"recstack/settings.py", "recstack/spark.py"}
    assert files_with(ast.Attribute, "os.getenv") == set()


def test_settings_are_read_at_the_edges_and_passed_on() -> None:
    readers = {
        file
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Settings"
    }
    assert {file for file in readers if not file.startswith("flows/")} <= EDGES


def lines_of(folder: str) -> dict[str, int]:
    return {file: len((ROOT / file).read_text().splitlines()) for file, _ in sources() if file.startswith(f"{folder}/")}


@pytest.mark.parametrize("folder", ["recstack", "flows", "serving", "feature_repo"])
def test_source_files_are_short(folder: str) -> None:
    lines = lines_of(folder)
    assert [file for file, count in lines.items() if count > LONGEST_FILE] == []
    assert statistics.median(lines.values()) < MEDIAN_FILE


def test_a_folder_of_recstack_is_a_room_with_a_layer_and_few_files_are_loose() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = {name.strip() for layer in layers for name in layer.split("|")}
    package = ROOT / "recstack"
    assert {folder.parent.name for folder in package.glob("*/__init__.py")} <= rooms
    assert len(list(package.glob("*.py"))) <= LOOSE_FILES


def test_every_model_is_a_folder_with_the_same_file_names() -> None:
    folders = {path.parent for path in (ROOT / "recstack" / "models").glob("*/*.py")}
    models = sorted(folder for folder in folders if folder.name != "learning")  # what models share
    assert len(models) >= 15
    for folder in models:
        files = {path.stem for path in folder.glob("*.py")}
        assert "model" in files, f"{folder.name} has no model.py"
        assert files <= MODEL_FILES, f"{folder.name} has files of other names: {files - MODEL_FILES}"


def test_private_parts_of_libraries_are_used_in_the_two_guarded_places_alone() -> None:
    folders = ("recstack", "flows", "serving", "feature_repo", "infra", "tests", "benchmarks")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    planted = (
        "from feast.infra.online_stores.helpers import compute_versioned_name\n"
        "import torch._dynamo\n"
        "from redis import _parsers\n"
        "store._get_client(config)\n"
        "frame._jdf.queryExecution()\n"
        "getattr(frame, '_jvm')\n"
        "self._planted_here = self._planted_elsewhere\n"
        "row._asdict()\n"
    )
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in files}
    trees |= {f"{folder.rstrip('/')}/planted.py": ast.parse(planted) for folder in ("recstack", GUARDED[0])}
    assert private_uses(trees) == [
        "recstack/planted.py:1: feast.infra.online_stores.helpers.compute_versioned_name",
        "recstack/planted.py:2: torch._dynamo",
        "recstack/planted.py:3: redis._parsers",
        "recstack/planted.py:4: _get_client",
        "recstack/planted.py:5: _jdf",
        "recstack/planted.py:6: _jvm",
        "recstack/planted.py:7: _planted_elsewhere",
    ]


def test_scripts_use_no_undocumented_module_and_no_private_variable_of_a_library() -> None:
    scripts = [path for path in (ROOT / "infra").rglob("*") if path.suffix in (".sh", ".yaml", ".conf")]
    words = (*UNDOCUMENTED, "_SPARK_AUTH_SECRET")
    assert [f"{path.name}: {word}" for path in scripts for word in words if word in path.read_text()] == []
