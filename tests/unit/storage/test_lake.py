import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recstack.storage import lake

WRITER = """
import sys, time
from pathlib import Path
from recstack.storage.lake import build_once

root, start, mark = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def build(draft):
    print("building", flush=True)
    while not start.exists():
        time.sleep(0.01)
    (draft / "one").write_text(mark)
    time.sleep(0.05)
    (draft / "two").write_text(mark)
    return {"mark": mark}

build_once(root, {"n": 1}, build, made_by=["recstack.storage.lake"])
"""


CODE = ["recstack.storage.lake"]


def build_once(root: Path, inputs: dict[str, int], build: Callable[[Path], dict[str, int]]) -> lake.Build:
    return lake.build_once(root, inputs, build, made_by=CODE)


def launch(root: Path, start: Path, mark: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(root), str(start), mark]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def writer(root: Path, start: Path, mark: str) -> subprocess.Popen[str]:
    """A process that waits in the middle of building until the file `start` is there."""
    process = launch(root, start, mark)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    return process


def number(value: int, calls: list[int]) -> Callable[[Path], dict[str, int]]:
    def build(draft: Path) -> dict[str, int]:
        calls.append(value)
        (draft / "number").write_text(str(value))
        return {"rows": value}

    return build


def test_the_same_inputs_are_built_once(tmp_path: Path) -> None:
    calls: list[int] = []
    first = build_once(tmp_path, {"n": 1}, number(1, calls))
    again = build_once(tmp_path, {"n": 1}, number(2, calls))
    assert calls == [1]
    assert (first.fresh, again.fresh) == (True, False)
    assert again.path == first.path
    assert (again.path / "number").read_text() == "1"
    assert again.manifest == first.manifest


def test_other_inputs_are_another_version_and_the_last_one_asked_for_is_current(tmp_path: Path) -> None:
    calls: list[int] = []
    one = build_once(tmp_path, {"n": 1}, number(1, calls))
    two = build_once(tmp_path, {"n": 2}, number(2, calls))
    assert calls == [1, 2]
    assert lake.current(tmp_path).path == two.path
    build_once(tmp_path, {"n": 1}, number(3, calls))
    assert lake.current(tmp_path).path == one.path
    lake.point_to(two.path)
    assert lake.current(tmp_path).path == two.path


def test_the_manifest_says_what_went_in_and_what_came_out(tmp_path: Path) -> None:
    build = build_once(tmp_path, {"n": 1}, number(7, []))
    manifest = json.loads((build.path / lake.MANIFEST).read_text())
    assert manifest["version"] == build.path.name == lake.version_of({"n": 1}, CODE)
    assert manifest["inputs"] == {"n": 1, "code_version": lake.code_version(CODE)}
    assert manifest["rows"] == 7
    assert manifest["seconds"] >= 0


def test_a_build_that_raises_leaves_nothing_and_the_next_one_finishes(tmp_path: Path) -> None:
    def broken(draft: Path) -> dict[str, int]:
        (draft / "half").write_text("half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        build_once(tmp_path, {"n": 1}, broken)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="nothing was built yet"):
        lake.current(tmp_path)
    assert build_once(tmp_path, {"n": 1}, number(1, [])).fresh


def test_a_build_that_raises_leaves_the_version_before_it_current(tmp_path: Path) -> None:
    def broken(draft: Path) -> dict[str, int]:
        raise RuntimeError("disk on fire")

    first = build_once(tmp_path, {"n": 1}, number(1, []))
    with pytest.raises(RuntimeError):
        build_once(tmp_path, {"n": 2}, broken)
    assert lake.current(tmp_path).path == first.path


def test_a_process_killed_in_the_middle_leaves_nothing_readable_and_the_next_one_finishes(tmp_path: Path) -> None:
    root, never = tmp_path / "out", tmp_path / "never"
    process = writer(root, never, "killed")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = list(root.iterdir())
    assert [path.name.startswith(".draft-") for path in left] == [True]
    with pytest.raises(FileNotFoundError, match="no published output"):
        lake.opened(left[0])
    with pytest.raises(FileNotFoundError, match="nothing was built yet"):
        lake.current(root)

    build = build_once(root, {"n": 1}, number(1, []))
    assert build.fresh
    assert not list(root.glob(".draft-*"))


def test_the_draft_of_a_process_that_still_writes_is_left_alone(tmp_path: Path) -> None:
    root, start = tmp_path / "out", tmp_path / "start"
    slow = writer(root, start, "slow")
    other = build_once(root, {"n": 2}, number(2, []))
    start.touch()
    assert slow.wait(timeout=60) == 0
    assert (root / lake.version_of({"n": 1}, CODE) / "two").read_text() == "slow"
    assert (other.path / "number").read_text() == "2"


def test_a_process_waits_for_another_that_builds_the_same_version_and_takes_its_result(tmp_path: Path) -> None:
    root, start = tmp_path / "out", tmp_path / "start"
    first = writer(root, start, "first")
    second = launch(root, start, "second")
    start.touch()
    assert [process.wait(timeout=60) for process in (first, second)] == [0, 0]
    assert second.communicate()[0] == "", "it has built too"
    build = lake.current(root)
    assert {(build.path / name).read_text() for name in ("one", "two")} == {build.manifest["mark"]} == {"first"}
    assert sorted(path.name for path in root.iterdir()) == sorted([lake.CURRENT, build.path.name])


def test_threads_of_one_process_leave_each_others_drafts_alone(tmp_path: Path) -> None:
    def slow(draft: Path) -> dict[str, int]:
        (draft / "one").write_text("1")
        inside.set()
        assert go_on.wait(60)
        (draft / "two").write_text("2")
        return {}

    inside, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        built = pool.submit(build_once, tmp_path, {"n": 1}, slow)
        assert inside.wait(60)
        build_once(tmp_path, {"n": 2}, number(2, []))
        go_on.set()
        assert sorted(path.name for path in built.result().path.iterdir()) == ["manifest.json", "one", "two"]


def test_a_build_waits_for_a_thread_that_fails_and_then_builds_itself(tmp_path: Path) -> None:
    def broken(draft: Path) -> dict[str, int]:
        inside.set()
        assert go_on.wait(60)
        raise RuntimeError("disk on fire")

    inside, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        failing = pool.submit(build_once, tmp_path, {"n": 1}, broken)
        assert inside.wait(60)
        waiting = pool.submit(build_once, tmp_path, {"n": 1}, number(1, []))
        go_on.set()
        assert isinstance(failing.exception(), RuntimeError)
        assert waiting.result().fresh


def test_the_draft_of_a_process_of_another_container_is_left_alone(tmp_path: Path) -> None:
    """There its number is unknown, or is that of another process: only the lock tells."""
    unknown = tmp_path / ".draft-other"
    with lake.locked_folder(unknown):
        build_once(tmp_path, {"n": 1}, number(1, []))
        assert unknown.exists()
    build_once(tmp_path, {"n": 2}, number(2, []))
    assert not unknown.exists()


def test_a_draft_of_an_older_version_of_recstack_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".draft-feed-1234").mkdir(parents=True)
    (tmp_path / ".draft-feed-x").mkdir()
    build_once(tmp_path, {"n": 1}, number(1, []))
    assert not list(tmp_path.glob(".draft-*"))


def test_a_path_that_was_never_published_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the step that builds it"):
        lake.opened(tmp_path)


def test_a_reader_never_sees_a_file_half_written(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    texts = ["a" * 200_000, "b" * 200_000]
    lake.write_atomically(path, texts[0])
    writer = threading.Thread(target=lambda: [lake.write_atomically(path, texts[turn % 2]) for turn in range(200)])
    writer.start()
    reads = []
    while writer.is_alive():
        reads.append(path.read_text() in texts)
    writer.join()
    assert reads and all(reads)


def test_a_digest_depends_on_content_and_not_on_the_order_of_keys() -> None:
    assert lake.digest({"a": 1, "b": [2]}) == lake.digest({"b": [2], "a": 1})
    assert lake.digest({"a": 1}) != lake.digest({"a": 2})
    assert lake.digest(["a", "b"]) != lake.digest(["b", "a"])


def test_the_digest_of_a_folder_changes_with_any_byte_and_any_name(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "file"
    path.write_bytes(b"one")
    digests = [lake.file_digest(tmp_path)]
    path.write_bytes(b"two")
    digests.append(lake.file_digest(tmp_path))
    path.rename(path.with_name("other"))
    digests.append(lake.file_digest(tmp_path))
    assert len(set(digests)) == 3
