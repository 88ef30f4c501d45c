import json
import zipfile
from pathlib import Path

import pytest

from recstack.archive.mar import build_archive


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle" / "model").mkdir(parents=True)
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    (tmp_path / "bundle" / "model" / "weights.npz").write_bytes(b"weights")
    (tmp_path / "handler.py").write_text("class Handler: ...")
    return tmp_path / "bundle"


def build(bundle: Path, handler: str = "handler.py", version: str = "3") -> Path:
    return build_archive(bundle, bundle.parent / handler, bundle.parent / "store", "recstack", version)


def test_an_archive_holds_the_bundle_the_handler_and_torchserves_manifest(bundle: Path) -> None:
    path = build(bundle)
    assert path.name == "recstack-3.mar"
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"bundle.json", "model/weights.npz", "handler.py", "MAR-INF/MANIFEST.json"}
        manifest = json.loads(archive.read("MAR-INF/MANIFEST.json"))
    assert manifest["model"] == {"modelName": "recstack", "handler": "handler.py", "modelVersion": "3"}


def test_a_build_that_fails_leaves_the_old_archive_and_nothing_else(bundle: Path) -> None:
    before = build(bundle).read_bytes()
    with pytest.raises(FileNotFoundError, match="missing.py"):
        build(bundle, handler="missing.py")
    assert [path.name for path in (bundle.parent / "store").iterdir()] == ["recstack-3.mar"]
    assert build(bundle).parent.joinpath("recstack-3.mar").stat().st_size == len(before)


def test_the_rest_of_a_killed_build_is_swept_away(bundle: Path) -> None:
    rest = bundle.parent / "store" / ".draft-recstack-3.mar" / "stage"
    rest.mkdir(parents=True)
    (rest / "half").write_bytes(b"")
    with zipfile.ZipFile(build(bundle)) as archive:
        assert "half" not in archive.namelist()
    assert [path.name for path in (bundle.parent / "store").iterdir()] == ["recstack-3.mar"]


@pytest.mark.parametrize("version", ["", "1/2", "../1", "a b", ".1"])
def test_a_version_that_cannot_name_a_file_is_refused(bundle: Path, version: str) -> None:
    with pytest.raises(ValueError, match="to name an archive"):
        build(bundle, version=version)
