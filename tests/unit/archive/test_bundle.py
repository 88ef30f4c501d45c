import json
from pathlib import Path

import numpy as np
import pytest
import tiny_catalogue as tiny

from recstack import columns as c
from recstack.archive.bundle import Bundle, BundleError, Facts, IncompatibleBundle, write_bundle
from recstack.features import spec

FACTS = Facts(
    model_version="3",
    dataset="tiny",
    generation="00000000",
    timed=True,
    scale=tiny.SCALE,
    config={"neighbours": 5},
    data_fingerprint="0123456789abcdef",
    run_id="run",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path, tiny.model(), tiny.encoder(), tiny.titles(), tiny.items(), FACTS)
    return tmp_path


def test_a_model_scores_the_same_after_a_round_trip(folder: Path) -> None:
    bundle = Bundle.read(folder)
    items = bundle.encoder.items(bundle.items)
    users = bundle.encoder.users(tiny.users([1, 2]).drop([c.EVENT_TIMESTAMP]), np.full(2, tiny.NOW))
    allowed = users.unseen(len(items))
    np.testing.assert_array_equal(bundle.model(items).score(users, allowed), tiny.model().score(users, allowed))


def test_the_manifest_leads_from_an_answer_back_to_its_run_and_data(folder: Path) -> None:
    manifest = Bundle.read(folder).manifest
    assert manifest.facts == FACTS
    assert manifest.model == "item_item"
    assert manifest.genres == tiny.GENRES
    assert manifest.feature_schema == spec.schema_digest()
    assert set(manifest.checksums) == {
        "encoder.json",
        "catalogue.parquet",
        "items.parquet",
        "model/similarity.npz",
        "model/popularity.npy",
    }


@pytest.mark.parametrize("name", ["encoder.json", "catalogue.parquet", "items.parquet", "model/popularity.npy"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=f"checksum of {name} is .* the manifest says"):
        Bundle.read(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "items.parquet").unlink()
    with pytest.raises(BundleError, match="items.parquet is missing"):
        Bundle.read(folder)


def test_a_model_whose_features_have_changed_is_refused_with_both_digests(folder: Path) -> None:
    manifest = folder / "bundle.json"
    changed = manifest.read_text().replace(spec.schema_digest(), "feedfeedfeedfeed").replace('"log-age"', '"log"')
    manifest.write_text(changed)
    with pytest.raises(BundleError, match=f"feature schema feedfeedfeedfeed, .* {spec.schema_digest()}"):
        Bundle.read(folder)


def test_a_bundle_that_does_not_say_which_features_it_reads_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["features"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(IncompatibleBundle, match="train again"):
        Bundle.read(folder)


def test_another_vocabulary_than_the_encoders_is_refused(folder: Path) -> None:
    manifest = folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"horror"', '"romance"'))
    with pytest.raises(BundleError, match="genre vocabulary differs"):
        Bundle.read(folder)


def test_a_model_that_is_not_installed_is_refused_with_the_known_names(folder: Path) -> None:
    manifest = folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"item_item"', '"oracle"'))
    bundle = Bundle.read(folder)
    with pytest.raises(BundleError, match="model 'oracle' is not installed here; known: .*popularity"):
        bundle.model(bundle.encoder.items(bundle.items))


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a model bundle"):
        Bundle.read(tmp_path)
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match="is not a model bundle"):
        Bundle.read(tmp_path)


def test_a_bundle_that_lacks_a_file_which_the_model_writes_today_is_refused_with_what_to_do(folder: Path) -> None:
    bundle = Bundle.read(folder)
    (folder / "model" / "similarity.npz").unlink()  # an older version wrote other files
    with pytest.raises(BundleError, match="can't load the bundle.*train again"):
        bundle.model(bundle.encoder.items(bundle.items))
