"""The promotion rule: each test is one of its lines."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from release_candidates import MEDIOCRE, published

from recstack.archive.bundle import BundleError, IncompatibleBundle
from recstack.errors import DataError
from recstack.release.comparison import Comparison
from recstack.release.promotion import Decision, decide_promotion
from recstack.storage.lake import Build
from recstack.tracking.tracker import Version

NOISE = np.random.default_rng(0).normal(0, 0.2, 200)
NOISE -= NOISE.mean()


@pytest.fixture
def champion(tmp_path: Path) -> Version:
    archive = tmp_path / "champion.mar"
    archive.touch()
    build = published(tmp_path / "champion")
    return Version("4", "run", {"archive": str(archive), "trained": str(build.path), "data": "same"})


@pytest.fixture
def candidate(tmp_path: Path) -> Build:
    return published(tmp_path / "new")


def gain(change: float | np.ndarray, saw: bool = False) -> Callable[[Path], Comparison]:
    """A comparison in which the candidate's users differ from the champion's by so much."""
    return lambda champion: Comparison(MEDIOCRE + change, MEDIOCRE, saw)


def failing(error: Exception) -> Callable[[Path], Comparison]:
    def compare(champion: Path) -> Comparison:
        raise error

    return compare


def test_the_first_model_becomes_champion(candidate: Build) -> None:
    assert decide_promotion(candidate, None, failing(AssertionError("not asked"))) == Decision(True, "first model")


def test_a_candidate_that_is_better_beyond_noise_becomes_champion(candidate: Build, champion: Version) -> None:
    promote, reason, _ = decide_promotion(candidate, champion, gain(0.05 + NOISE / 10))
    assert promote
    assert "test NDCG@10 0.3500, champion 4 0.3000, same 200 users; paired difference +0.05" in reason


@pytest.mark.parametrize("change", [0.0, -0.05, 0.005 + NOISE], ids=["equal", "worse", "within noise"])
def test_a_candidate_that_is_not_better_beyond_noise_does_not_become_champion(
    candidate: Build, champion: Version, change: float | np.ndarray
) -> None:
    promote, reason, final = decide_promotion(candidate, champion, gain(change))
    assert (promote, final) == (False, True)
    assert "paired difference" in reason


def test_each_further_attempt_on_the_same_data_needs_a_wider_interval(candidate: Build, champion: Version) -> None:
    change = 0.033 + NOISE  # just better beyond noise
    assert decide_promotion(candidate, champion, gain(change)).promote
    promote, reason, _ = decide_promotion(candidate, champion, gain(change), attempt=10)
    assert not promote
    assert "candidate 10 on these data, so the interval is of 99.5 %" in reason


@pytest.mark.parametrize(
    ("change", "wins"),
    [(0.0, True), (-0.01 + NOISE, True), (-0.01 + NOISE / 100, False), (-0.02 + NOISE, False)],
    ids=["as good", "a little worse within noise", "worse beyond noise", "seven percent worse within noise"],
)
def test_on_newer_data_a_candidate_becomes_champion_unless_it_is_worse(
    tmp_path: Path, champion: Version, change: float | np.ndarray, wins: bool
) -> None:
    promote, reason, _ = decide_promotion(published(tmp_path / "newer", data="newer"), champion, gain(change))
    assert promote is wins
    assert reason.startswith("newer data: test NDCG@10")


def test_on_newer_data_the_second_candidate_has_to_be_better(tmp_path: Path, champion: Version) -> None:
    newer = published(tmp_path / "newer", data="newer")
    assert not decide_promotion(newer, champion, gain(0.0), attempt=2).promote
    assert decide_promotion(newer, champion, gain(0.1), attempt=2).promote


def test_the_reason_says_that_the_champion_may_have_seen_the_targets(tmp_path: Path, champion: Version) -> None:
    newer = published(tmp_path / "newer", data="newer")
    assert "may have seen these targets" in decide_promotion(newer, champion, gain(0.1, saw=True)).reason


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (BundleError("checksum of encoder.json is wrong"), "checksum of encoder.json"),
        (DataError("the test part is empty"), "the test part is empty"),
        (FileNotFoundError("no validation.npy"), "no validation.npy"),
        (IndexError("a bug"), "IndexError('a bug')"),
    ],
    ids=["damaged champion", "no test users", "missing file", "anything else"],
)
def test_what_cannot_be_compared_does_not_become_champion_and_is_decided_again(
    candidate: Build, champion: Version, error: Exception, why: str
) -> None:
    promote, reason, final = decide_promotion(candidate, champion, failing(error))
    assert (promote, final) == (False, False)
    assert reason.startswith("it could not be compared with champion 4: ")
    assert why in reason
    assert "remove the alias `champion`" in reason


def test_without_test_users_a_candidate_does_not_become_champion(candidate: Build, champion: Version) -> None:
    empty = Comparison(np.zeros(0), np.zeros(0), champion_saw=False)
    promote, reason, final = decide_promotion(candidate, champion, lambda folder: empty)
    assert (promote, final) == (False, False)
    assert "no test users to compare on" in reason


def test_a_champion_whose_archive_is_gone_stays(candidate: Build, champion: Version) -> None:
    Path(champion.tags["archive"]).unlink()
    promote, reason, final = decide_promotion(candidate, champion, gain(0.5))
    assert (promote, final) == (False, False)
    assert f"its archive is gone: {champion.tags['archive']}" in reason


def test_an_alias_set_by_hand_on_a_version_of_something_else_is_refused(candidate: Build) -> None:
    promote, reason, _ = decide_promotion(candidate, Version("9", "run", {}), gain(0.5))
    assert not promote
    assert "it has no tag trained and archive and data" in reason


def test_a_champion_that_no_server_of_this_code_can_open_is_replaced(candidate: Build, champion: Version) -> None:
    other_schema = IncompatibleBundle("the model was trained with feature schema feed")
    promote, reason, _ = decide_promotion(candidate, champion, failing(other_schema))
    assert promote
    assert reason == f"champion 4 can't be kept: {other_schema}"
