"""A copy of the code with the edits that docs/adding-a-feature.md shows."""

import re
import shutil
from pathlib import Path

from checkout import ROOT

PAGE = ROOT / "docs" / "adding-a-feature.md"


def copy_with_new_feature(target: Path) -> Path:
    """The package and the slow way of the tests, with one feature more."""
    shutil.copytree(ROOT / "recstack", target / "recstack", ignore=shutil.ignore_patterns("__pycache__"))
    (target / "tests").mkdir()
    shutil.copy(ROOT / "tests/brute_force.py", target / "tests")
    for name, text in re.findall(r"```diff (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        known, *added = text.splitlines(keepends=True)
        assert known[0] == " " and all(line[0] == "+" for line in added)
        source = (target / name).read_text()
        assert source.count(known[1:]) == 1, f"{name} does not have this line once: {known}"
        new = "".join(line[1:] for line in added)
        (target / name).write_text(source.replace(known[1:], known[1:] + new))
    return target
