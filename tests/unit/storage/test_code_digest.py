"""Which outputs a change of code or of a library rebuilds: real runs of `build_once` on a copy of recstack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from workspace import Workspace

from recstack.storage.code_digest import code_digest
from recstack.storage.lake import code_version

STAGES = {
    "interactions": ["recstack.data.ingest", "recstack.data.adapters.movielens_100k"],
    "features": ["recstack.features.build"],
    "models": ["recstack.release.candidate", "recstack.models.ease.model"],
    "reports": ["recstack.experiments.candidate_report", "recstack.models.ease.model"],
}
BUILD = """
import json, sys
from pathlib import Path
from recstack.storage.lake import build_once

stages = json.loads(sys.argv[1])
builds = {name: build_once(Path("lake", name), {}, lambda draft: {}, made_by=code) for name, code in stages.items()}
print(json.dumps([name for name, build in builds.items() if build.fresh]))
"""


class Copy:
    """A copy of recstack, and a lake that it has built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "recstack", folder / "recstack", ignore=shutil.ignore_patterns("__pycache__"))
        assert self.rebuilt() == list(STAGES)
        assert self.rebuilt() == []

    def rebuilt(self) -> list[str]:
        command = [sys.executable, "-c", BUILD, json.dumps(STAGES)]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def rebuilt_after(self, old: str, new: str, *files: str) -> list[str]:
        """Replace the first `old` of these files for one run."""
        before = {path: path.read_text() for path in (self.folder / "recstack" / file for file in files)}
        for path, text in before.items():
            assert old in text
            path.write_text(text.replace(old, new, 1))
        try:
            return self.rebuilt()
        finally:
            for path, text in before.items():
                path.write_text(text)

    def rebuilt_after_upgrade(self, library: str) -> list[str]:
        """The installed version is read from a folder of this form."""
        facts = self.folder / f"{library}-99.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 99.0\n")
        try:
            return self.rebuilt()
        finally:
            shutil.rmtree(facts)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.mark.parametrize(
    ("file", "rebuilt"),
    [
        ("data/contract.py", ["interactions", "features", "models", "reports"]),
        ("data/adapters/movielens_100k.py", ["interactions"]),
        ("features/profile.py", ["features", "models", "reports"]),
        ("feature_store/feast_duckdb.py", ["models", "reports"]),  # named in a configuration, imported nowhere
        ("archive/bundle.py", ["models", "reports"]),
        ("models/ease/model.py", ["models", "reports"]),
        ("evaluation/report/page.py", ["reports"]),
    ],
)
def test_changed_code_rebuilds_the_stages_that_reach_it(copy: Copy, file: str, rebuilt: list[str]) -> None:
    assert copy.rebuilt_after("\nfrom ", "\nCHANGED = 1\nfrom ", file) == rebuilt


def test_code_that_no_stage_reaches_rebuilds_nothing(copy: Copy) -> None:
    other = (
        "data/adapters/anime.py",
        "models/sasrec/model.py",
        "tracking/tracker.py",
        "torchserve/api.py",
        "cli/data.py",
    )
    assert copy.rebuilt_after("\nfrom ", "\nCHANGED = 1\nfrom ", *other) == []


def test_the_style_of_a_page_rebuilds_the_report_alone(copy: Copy) -> None:
    assert copy.rebuilt_after("{", "{ color: red;", "evaluation/report/page.css") == ["reports"]


def test_comments_and_docstrings_rebuild_nothing(copy: Copy) -> None:
    assert copy.rebuilt_after('"""', '# A comment.\n"""Other words. ', "features/profile.py", "data/contract.py") == []


@pytest.mark.parametrize(
    ("library", "rebuilt"),
    [
        ("pyspark", ["interactions", "features", "models", "reports"]),
        ("numpy", ["interactions", "features", "models", "reports"]),
        ("ibis-framework", ["models", "reports"]),  # imported as `ibis`
        ("mlflow", []),
    ],
)
def test_a_new_version_of_a_library_rebuilds_the_stages_that_import_it(
    copy: Copy, library: str, rebuilt: list[str]
) -> None:
    assert copy.rebuilt_after_upgrade(library) == rebuilt


def test_the_manifest_holds_the_version_of_the_code_that_its_stage_reaches(shop: Workspace) -> None:
    for build, code in (
        (shop.ingested, ["recstack.data.ingest", "workspace"]),
        (shop.features, ["recstack.features.build"]),
    ):
        assert build.manifest["inputs"]["code_version"] == code_version(code)


def test_a_name_that_is_no_module_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="recstack.nothing is no module with a file"):
        code_digest("recstack.nothing")
