import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

import recstack.models
from recstack.models import models
from recstack.models.popularity.model import Popularity

OTHER_NAME = """
from recstack.models.popularity.model import Popularity

class Copy(Popularity):
    name = "popularity"
"""


@pytest.fixture
def extra_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages belong to recstack.models for one test."""
    monkeypatch.setattr(recstack.models, "__path__", [*recstack.models.__path__, str(tmp_path)])
    yield tmp_path
    for folder in tmp_path.iterdir():
        for name in (f"recstack.models.{folder.name}.model", f"recstack.models.{folder.name}"):
            sys.modules.pop(name, None)
        vars(recstack.models).pop(folder.name, None)


def write_model(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    (folder / name / "model.py").write_text(code)


def test_a_new_folder_is_a_new_model(extra_folder: Path) -> None:
    write_model(extra_folder, "fresh", OTHER_NAME.replace('"popularity"', '"fresh"'))
    found = models()
    assert found["fresh"].__name__ == "Copy"
    assert found["popularity"] is Popularity


def test_finding_the_models_loads_no_spark() -> None:
    code = "import sys; from recstack.models import models; assert models(); assert 'pyspark' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_model_must_have_the_name_of_its_folder(extra_folder: Path) -> None:
    write_model(extra_folder, "zz_other", OTHER_NAME)
    with pytest.raises(ValueError, match="zz_other.model must have one model, named 'zz_other' .*, not 'popularity'"):
        models()


def test_a_folder_without_a_model_is_refused(extra_folder: Path) -> None:
    write_model(extra_folder, "zz_empty", "")
    with pytest.raises(ValueError, match="zz_empty.model must have one model, .*, not none"):
        models()


def test_names_of_models_are_found_without_importing_them() -> None:
    code = (
        "import sys; from recstack.models import model_names; names = model_names(); assert 'torch' not in sys.modules;"
        "from recstack.models import models; assert list(models()) == names"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
