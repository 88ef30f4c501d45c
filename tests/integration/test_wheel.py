"""The built wheel works without the checkout; `recstack demo` keeps its state in the folder where it is started."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT

PACKAGES = ("recstack", "flows", "serving")
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
SHOW = """
from pathlib import Path
from recstack.settings import HANDLER, Settings
from recstack.storage.code_digest import code_digest
from recstack.torchserve.server import CONFIG, LOGGING
import recstack, flows

print(Path(recstack.__file__).parent.parent)
print(Settings().recstack_home)
for file in (HANDLER, CONFIG, LOGGING):
    assert file.is_file(), file
print(code_digest("recstack.features.build"))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files; built from a copy, because a build leaves files beside its sources."""
    source, installed = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = subprocess.run(
        [sys.executable, "-c", BUILD, str(installed)], cwd=source, capture_output=True, text=True, check=False
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = installed.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    return installed


def python(installed: Path, folder: Path, *arguments: str) -> str:
    """What a Python process prints that finds recstack in the wheel's files alone, started in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("RECSTACK_HOME", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_beside_the_code_is_in_the_wheel(installed: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    missing = [file for file in tracked if not file.endswith(".md") and not (installed / file).is_file()]
    assert missing == []


def test_the_command_answers_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    output = python(installed, tmp_path, "-m", "recstack.cli", "--help")
    assert "demo" in output and "recommend" in output
    assert list(tmp_path.iterdir()) == []


def test_code_and_settings_files_come_from_the_wheel_and_state_goes_to_the_current_folder(
    installed: Path, tmp_path: Path
) -> None:
    code, home, digest = python(installed, tmp_path, "-c", SHOW).split()
    assert Path(code) == installed
    assert Path(home) == tmp_path / ".recstack"
    assert digest == python(ROOT, tmp_path, "-c", SHOW).split()[-1], "the same code has the same digest"
