from pathlib import Path

from recstack.release.rollout import last_rolled_out
from recstack.storage.lake import CURRENT


def test_a_model_store_without_a_rollout_has_no_last_archive(tmp_path: Path) -> None:
    assert last_rolled_out(tmp_path) is None


def test_the_last_rolled_out_archive_is_found_unless_its_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("recstack-2.mar\n")
    assert last_rolled_out(tmp_path) is None
    (tmp_path / "recstack-2.mar").touch()
    (tmp_path / "recstack-1.mar").touch()
    assert last_rolled_out(tmp_path) == tmp_path / "recstack-2.mar"
