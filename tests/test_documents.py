"""Pages: links, anchors, commands, options, paths and settings that they name exist."""

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOT
from typer.core import TyperGroup
from typer.main import get_command

from recstack.cli import app
from recstack.models import model_names
from recstack.settings import Settings

README_LINES = 160
EXAMPLES = {
    "recstack/data/adapters/books.py",  # written by the reader of docs/adding-a-dataset.md
    "recstack/models/recent_in_genres/model.py",  # written by the reader of docs/adding-a-model.md
}
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
ROOM = re.compile(r"(?:\.ci|benchmarks|docs|feature_repo|flows|infra|recstack|serving|tests)/[\w./-]+")
SEPARATORS = {"&&", "||", "|", ";"}


@cache
def tracked() -> frozenset[str]:
    """Paths of the repository's files, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return frozenset(path for path in listed if (ROOT / path).exists())


DOCUMENTS = sorted(ROOT / path for path in tracked() if path.endswith(".md"))
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def prose(text: str) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text)


def blocks(text: str) -> list[str]:
    """Code blocks of shell commands, comments cut off, lines that end in a backslash joined."""
    fenced = [body for language, body in FENCE.findall(text) if language in ("", "sh", "shell", "bash")]
    indented = re.findall(r"^ {4}(?! *\S+ \|).*$", prose(text), re.MULTILINE)
    return [re.sub(r"(?m)(?:^|\s)#.*$", "", block.replace("\\\n", " ")) for block in [*fenced, *indented]]


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command in code blocks and in inline code."""
    for line in [*(line for block in blocks(text) for line in block.splitlines()), *INLINE.findall(prose(text))]:
        try:
            words = shlex.split(line, posix=True)
        except ValueError:  # a piece of a command that goes on in the next line
            words = line.split()
        part: list[str] = []
        for word in [*words, ";"]:
            if word in SEPARATORS:
                yield part
                part = []
            elif part or not re.fullmatch(r"[A-Z_]+=.*|export|\$|time", word):
                part.append(word)


def recstack_calls(text: str) -> Iterator[list[str]]:
    """Arguments of every call of `recstack`; `make evaluate ARGS="…"` is one of `recstack evaluate`."""
    for words in commands(text):
        if words and words[0].rsplit("/")[-1] == "recstack" and not words[0].startswith("recstack/"):
            yield words[1:]
        if words[:2] == ["make", "evaluate"]:
            for word in words[2:]:
                if word.startswith("ARGS="):
                    yield ["evaluate", *shlex.split(word.removeprefix("ARGS="))]


def unknown_to_recstack(call: list[str]) -> list[str]:
    """Sub-commands and options of a call that the command line does not have."""
    command = get_command(app)
    words = list(call)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return [name]
        command = command.commands[name]
    known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
    return [word for word in words if word.startswith("--") and word.split("=")[0] not in known]


def slugs(document: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(document.read_text()), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        earlier = found.count(slug)
        found.append(slug)
        if earlier:
            found.append(f"{slug}-{earlier}")
    return set(found)


def links(document: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose(document.read_text()))
    return sorted({link for pair in found for link in pair if link and not re.match(r"[a-z]+:", link)})


@every_document
def test_every_linked_path_exists(document: Path) -> None:
    paths = {link.split("#")[0] for link in links(document)} - {""}
    assert [path for path in sorted(paths) if not (document.parent / path).exists()] == []


@every_document
def test_every_linked_heading_exists(document: Path) -> None:
    missing = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        page = document.parent / path if path else document
        if anchor and page.suffix == ".md" and page.exists() and anchor not in slugs(page):
            missing.append(link)
    assert missing == []


@every_document
def test_every_make_target_exists(document: Path) -> None:
    named = {words[1] for words in commands(document.read_text()) if words[:1] == ["make"] and len(words) > 1}
    named = {name for name in named if re.fullmatch(r"[a-z][a-z-]*", name)}
    assert sorted(named - targets()) == []


@every_document
def test_every_recstack_command_and_option_exists(document: Path) -> None:
    unknown = {" ".join(call): unknown_to_recstack(call) for call in recstack_calls(document.read_text())}
    assert {call: words for call, words in unknown.items() if words} == {}


def test_a_wrong_command_or_option_in_a_page_is_found() -> None:
    page = '```sh\n.venv/bin/recstack evalute\nmake evaluate ARGS="--protocl x"\n```\nand `recstack data put`'
    assert [unknown_to_recstack(call) for call in recstack_calls(page)] == [["evalute"], ["--protocl"], ["put"]]


@every_document
def test_every_model_that_a_command_names_exists(document: Path) -> None:
    named = set()
    for call in recstack_calls(document.read_text()):
        for option, value in zip(call, call[1:], strict=False):
            if option in ("--model", "--models", "--reference"):
                named |= set(value.split(",")) - {"all", "NAME"}
    missing = {name for name in named if f"recstack/models/{name}/model.py" not in tracked() | EXAMPLES}
    assert missing == set()


@every_document
def test_every_path_in_code_exists(document: Path) -> None:
    text = document.read_text()
    words = {word for block in blocks(text) for word in block.split()} | set(INLINE.findall(prose(text)))
    paths = {word.rstrip("/") for word in words if ROOM.fullmatch(word)} - EXAMPLES
    folders = {str(parent) for path in tracked() for parent in Path(path).parents}
    assert sorted(paths - tracked() - folders) == []


@every_document
def test_every_python_file_in_code_exists(document: Path) -> None:
    known = {Path(path).name for path in tracked() | EXAMPLES}
    named = {word for word in INLINE.findall(prose(document.read_text())) if re.fullmatch(r"\w+\.py", word)}
    assert sorted(named - known) == []


@every_document
def test_every_python_name_in_code_exists(document: Path) -> None:
    dotted = re.compile(r"(?:recstack|flows|serving)(?:\.\w+)+")
    words = set(re.findall(r"\S+", " ".join(blocks(document.read_text()))))
    words |= {word.rstrip("()") for word in INLINE.findall(prose(document.read_text()))}
    assert sorted(word for word in words if dotted.fullmatch(word) and not has_python_name(word)) == []


def has_python_name(name: str) -> bool:
    """Whether a dotted name is a module, or is defined or imported at the top of one."""
    path = name.replace(".", "/")
    if {f"{path}.py", f"{path}/__init__.py"} & tracked():
        return True
    parent, _, last = name.rpartition(".")
    path = parent.replace(".", "/")
    module = next(iter({f"{path}.py", f"{path}/__init__.py"} & tracked()), None)
    if module is None:
        return False
    return last in {word for node in ast.parse((ROOT / module).read_text()).body for word in bound_names(node)}


def bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.ImportFrom | ast.Import):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


@every_document
def test_every_setting_and_variable_in_code_exists(document: Path) -> None:
    sources = [path for path in tracked() if not path.endswith((".md", ".json", ".lock"))]
    named = {
        name
        for word in INLINE.findall(prose(document.read_text()))
        for name in re.findall(r"^([A-Z]+(?:_[A-Z]+)+)(?:=.*)?$", word)
    }
    known = set(
        re.findall(r"[A-Z]+(?:_[A-Z]+)+", " ".join((ROOT / path).read_text(errors="ignore") for path in sources))
    )
    known |= {name.upper() for name in Settings.model_fields}
    assert sorted(named - known) == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_every_model_has_a_row_in_the_page_of_models() -> None:
    rows = re.findall(r"^\| \[(\w+)\]", (ROOT / "docs/models.md").read_text(), re.MULTILINE)
    assert set(model_names()) - set(rows) == set()


def test_contributing_describes_every_target_that_help_lists() -> None:
    listed = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    described = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert listed - described == set()


def test_architecture_shows_the_layers_that_the_linter_checks() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = re.findall(r"^ {4}([a-z_ |]+)$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert shown == layers


def test_the_example_environment_lists_every_setting_and_nothing_else() -> None:
    listed = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)
