"""The promotion rule: each test is one of its lines."""

from pathlib import Path

import numpy as np
import pytest
from release_candidates import MEDIOCRE, published

from recstack.features import spec
from recstack.release.promotion import decide_promotion
from recstack.tracking.tracker import Version

NOISE = np.random.default_rng(0).normal(0, 0.2, 200)


@pytest.fixture
def champion(tmp_path: Path) -> Version:
    archive = tmp_path / "champion.mar"
    archive.touch()
    build = published(tmp_path / "champion", MEDIOCRE)
    return Version("4", "run", {"archive": str(archive), "trained": str(build.path), "data": "same"})


def test_the_first_model_becomes_champion(tmp_path: Path) -> None:
    assert decide_promotion(published(tmp_path / "new", MEDIOCRE), None) == (
        True,
        "first model; validation NDCG@10 0.3000",
    )


def test_a_candidate_that_is_better_beyond_noise_becomes_champion(tmp_path: Path, champion: Version) -> None:
    promote, reason = decide_promotion(published(tmp_path / "new", MEDIOCRE + 0.05 + NOISE / 10), champion)
    assert promote
    assert "paired difference +0.05" in reason
    assert "over champion 4" in reason


@pytest.mark.parametrize("change", [0.0, -0.05, 0.005 + NOISE - NOISE.mean()], ids=["equal", "worse", "within noise"])
def test_a_candidate_that_is_not_better_beyond_noise_does_not_become_champion(
    tmp_path: Path, champion: Version, change: float | np.ndarray
) -> None:
    promote, reason = decide_promotion(published(tmp_path / "new", MEDIOCRE + change), champion)
    assert not promote
    assert "paired difference" in reason


@pytest.mark.parametrize(("mean", "wins"), [(0.3, True), (0.05, False)], ids=["as good", "clearly worse"])
def test_a_candidate_on_other_data_becomes_champion_unless_it_is_worse_beyond_noise(
    tmp_path: Path, champion: Version, mean: float, wins: bool
) -> None:
    validation = np.clip(mean + NOISE[:120] / 10, 0, 1)  # other users, and fewer
    promote, reason = decide_promotion(published(tmp_path / "new", validation, data="other"), champion)
    assert promote is wins
    assert "other data than champion 4, so not paired" in reason


def test_a_champion_whose_archive_is_gone_is_replaced(tmp_path: Path, champion: Version) -> None:
    Path(champion.tags["archive"]).unlink()
    promote, reason = decide_promotion(published(tmp_path / "new", MEDIOCRE - 0.1), champion)
    assert promote
    assert reason == f"the archive of champion 4 is gone: {champion.tags['archive']}"


def test_a_champion_that_can_no_longer_be_loaded_is_replaced(tmp_path: Path, champion: Version) -> None:
    manifest = Path(champion.tags["trained"]) / "bundle" / "bundle.json"
    manifest.write_text(manifest.read_text().replace(spec.schema_digest(), "feedfeedfeedfeed"))
    promote, reason = decide_promotion(published(tmp_path / "new", MEDIOCRE - 0.1), champion)
    assert promote
    assert "can't be served any more" in reason
    assert "feedfeedfeedfeed" in reason


def test_a_candidate_without_validation_users_becomes_champion(tmp_path: Path, champion: Version) -> None:
    promote, reason = decide_promotion(published(tmp_path / "new", np.zeros(0)), champion)
    assert promote
    assert "no validation users" in reason
