import re
from pathlib import Path

import pytest

from recstack.settings import ROOT, Settings

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "serving/*.md", "model_store/*.md", "feature_repo/*.md", "infra/**/*.md")
    for path in ROOT.glob(pattern)
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
CODE = re.compile(r"```.*?```|`[^`\n]+`|^(?: {4}|\t).*$", re.DOTALL | re.MULTILINE)


def make_targets(text: str) -> set[str]:
    return {target for code in CODE.findall(text) for target in re.findall(r"\bmake ([a-z][a-z-]*)\b(?!=)", code)}


def linked_paths(text: str) -> set[str]:
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    return {link.split("#")[0] for pair in links for link in pair if link and not re.match(r"[a-z]+:|#", link)}


def test_there_is_a_readme() -> None:
    assert ROOT / "README.md" in DOCUMENTS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_linked_path_exists(document: Path) -> None:
    missing = [link for link in sorted(linked_paths(document.read_text())) if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    assert sorted(make_targets(document.read_text()) - TARGETS) == []


def test_contributing_describes_every_target_that_help_lists() -> None:
    listed = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert listed - make_targets((ROOT / "CONTRIBUTING.md").read_text()) == set()


def test_the_example_environment_lists_every_setting_and_nothing_else() -> None:
    listed = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)
