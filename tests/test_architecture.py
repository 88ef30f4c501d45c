import ast
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT

EDGES = {
    "recstack/cli.py",
    "recstack/training/distributed.py",  # started by torchrun
    "recstack/tracking/tracker.py",  # a model that MLflow loads is an edge too
    "serving/handler.py",
    "serving/container.py",
    "serving/feature_server.py",
    "feature_repo/definitions.py",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("recstack", "flows", "serving", "feature_repo"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def places(matches: type[ast.AST], text: str) -> set[str]:
    """Files that hold a node of this type that reads `text`."""
    return {
        file
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, matches) and ast.unparse(node) == text
    }


def test_only_settings_reads_the_environment() -> None:
    # spark.py sets the interpreter of Spark's workers, which Spark takes from nowhere else.
    assert places(ast.Attribute, "os.environ") == {"recstack/settings.py", "recstack/spark.py"}
    assert places(ast.Attribute, "os.getenv") == set()


def test_settings_are_read_at_the_edges_and_passed_on() -> None:
    readers = {
        file
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Settings"
    }
    assert {file for file in readers if not file.startswith("flows/")} <= EDGES


def test_every_module_says_first_why_it_exists() -> None:
    silent = [file for file, tree in sources() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def test_no_source_file_is_longer_than_300_lines() -> None:
    long = [file for file, _ in sources() if len(Path(ROOT / file).read_text().splitlines()) > 300]
    assert long == []
