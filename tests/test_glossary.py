"""Finds the words that docs/glossary.md retires, and classes that share a name."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOT

GLOSSARY = ROOT / "docs/glossary.md"
ENDINGS = (".py", ".md", ".sh", ".toml", ".yaml", ".yml", ".j2", ".conf", ".properties", "Makefile", "Dockerfile")
EXEMPT = {"docs/glossary.md", "CHANGELOG.md", "benchmarks/NOTES.md", "tests/test_glossary.py"}
"""They list the words, or speak of the past."""


def retired() -> dict[str, str]:
    """Each retired word, in lower case, and where it must not stand: "names" or "everywhere"."""
    _, _, table = GLOSSARY.read_text().partition("## Retired words")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {word.strip(): where for words, _, where in rows[2:] for word in words.split(",")}


RETIRED = retired()


@cache
def texts() -> dict[str, str]:
    """Path and content of every file that has prose or code."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    wanted = [path for path in listed if path.endswith(ENDINGS) and path not in EXEMPT and (ROOT / path).exists()]
    return {path: (ROOT / path).read_text() for path in wanted}


def pattern(words: str) -> re.Pattern[str]:
    """The words as text, over the end of a line too, or as parts of a name such as `BY_CHANCE`."""
    spaced = r"[\s_#*/-]+".join(words.split())
    return re.compile(rf"(?<![A-Za-z]){spaced}(?![A-Za-z])", re.IGNORECASE)


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that code gives, with their lines. Names that a library gave, such as a keyword argument, are not ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname, node.lineno) for alias in node.names if alias.asname)


@pytest.mark.parametrize("words", [words for words, where in RETIRED.items() if where == "everywhere"])
def test_a_word_that_is_retired_everywhere_is_in_no_file(words: str) -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        for path, text in texts().items()
        for match in pattern(words).finditer(text)
    ]
    assert not found, f"{words!r} is retired (docs/glossary.md says what to write instead): {' '.join(found)}"


@cache
def names() -> list[tuple[str, str]]:
    """Every name that Python code of the repository gives, and every module, with its path and line."""
    return [
        (name, f"{path}:{line} {name}")
        for path, text in texts().items()
        if path.endswith(".py")
        for name, line in [*bound_names(ast.parse(text)), (Path(path).stem, 1)]
    ]


@pytest.mark.parametrize("word", [word for word, where in RETIRED.items() if where == "names"])
def test_a_word_that_is_retired_as_a_name_names_nothing(word: str) -> None:
    found = [where for name, where in names() if name.strip("_").lower() == word]
    assert not found, f"{word!r} is retired as a name (see docs/glossary.md):\n" + "\n".join(found)


def test_every_retired_word_says_where_it_is_retired() -> None:
    assert len(RETIRED) > 10
    assert set(RETIRED.values()) == {"names", "everywhere"}


def test_retired_words_are_found_in_prose_over_line_ends_and_in_names() -> None:
    assert pattern("by chance").search("drawn by\n    # chance")
    assert pattern("by chance").search("BY_CHANCE = 1")
    assert not pattern("whom").search("whomever")


def test_no_two_public_classes_have_one_name() -> None:
    homes = defaultdict(set)
    for path, text in texts().items():
        if path.startswith("recstack/") and path.endswith(".py"):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name != "Config":
                    homes[node.name].add(path)
    assert {name: sorted(paths) for name, paths in homes.items() if len(paths) > 1} == {}
