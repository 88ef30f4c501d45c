"""A lock keeps others out, in this process and in others, and ends with its holder."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recstack.storage.locks import left_behind, locked_folder, one_at_a_time

HOLDER = """
import sys, time
from pathlib import Path
from recstack.storage import locks

with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
    print("holding", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["one_at_a_time", "locked_folder"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """Another process holds the lock."""
    command = [sys.executable, "-c", HOLDER, request.param, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield request.param, tmp_path / "lock", process
        finally:
            process.kill()


def test_a_lock_is_held_until_its_process_is_killed(held: tuple[str, Path, subprocess.Popen[str]]) -> None:
    kind, path, holder = held
    entered = threading.Event()

    def enter() -> None:
        with {"one_at_a_time": one_at_a_time, "locked_folder": locked_folder}[kind](path):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(1)
    holder.send_signal(signal.SIGKILL)
    assert entered.wait(60)
    waiting.join()


def test_a_folder_that_its_holder_renames_is_made_anew_for_the_next_one(tmp_path: Path) -> None:
    draft, entered = tmp_path / "draft", threading.Event()
    found: list[list[str]] = []

    def enter() -> None:
        entered.set()
        with locked_folder(draft):
            found.append([path.name for path in draft.iterdir()])

    with locked_folder(draft):
        (draft / "file").touch()
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert entered.wait(60)
        draft.rename(tmp_path / "published")
    waiting.join()
    assert found == [[]]
    assert [path.name for path in (tmp_path / "published").iterdir()] == ["file"]


def test_a_folder_is_left_behind_if_nobody_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    with left_behind(folder) as dead:
        assert not dead, "there is none"
    with locked_folder(folder), left_behind(folder) as dead:
        assert not dead
    with left_behind(folder) as dead:
        assert dead
