from pathlib import Path

from recstack.release.rollout import served_last
from recstack.storage.lake import CURRENT


def test_a_store_that_never_served_has_nothing_to_serve(tmp_path: Path) -> None:
    assert served_last(tmp_path) is None


def test_the_archive_that_is_noted_is_served_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("recstack-2.mar\n")
    assert served_last(tmp_path) is None
    (tmp_path / "recstack-2.mar").touch()
    (tmp_path / "recstack-1.mar").touch()
    assert served_last(tmp_path) == tmp_path / "recstack-2.mar"
