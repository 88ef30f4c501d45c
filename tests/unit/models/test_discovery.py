import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recstack.models
from recstack.models import models
from recstack.models.popularity import Popularity
from recstack.settings import ROOT

CLASH = """
from recstack.models.popularity import Popularity

class Impostor(Popularity):
    name = "popularity"
"""


@pytest.fixture
def extra_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules belong to recstack.models for one test."""
    monkeypatch.setattr(recstack.models, "__path__", [*recstack.models.__path__, str(tmp_path)])
    yield tmp_path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(f"recstack.models.{file.stem}", None)
        vars(recstack.models).pop(file.stem, None)


def test_a_new_file_is_a_new_model(extra_folder: Path) -> None:
    (extra_folder / "fresh.py").write_text(CLASH.replace('"popularity"', '"fresh"'))
    found = models()
    assert found["fresh"].__name__ == "Impostor"
    assert found["popularity"] is Popularity


def test_finding_the_models_loads_no_spark() -> None:
    code = "import sys; from recstack.models import models; assert models(); assert 'pyspark' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_two_models_of_one_name_are_refused(extra_folder: Path) -> None:
    (extra_folder / "zz_clash.py").write_text(CLASH)
    with pytest.raises(ValueError, match="zz_clash.*popularity.*'popularity'"):
        models()
