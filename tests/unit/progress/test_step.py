import io
import threading
import time
from collections.abc import Iterator

import pytest

from recstack.progress import reporter, say, track, working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundredths of the real waiting times."""
    for name in ("FIRST_SECONDS", "EVERY_SECONDS", "REFRESH_SECONDS"):
        monkeypatch.setattr(reporter, name, 0.02)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    end = time.monotonic() + 10
    while any(thread.name == "progress" for thread in threading.enumerate()):
        assert time.monotonic() < end, "the reporter's thread outlives the last step"
        time.sleep(0.005)


def wait_for(stream: io.StringIO, text: str) -> None:
    end = time.monotonic() + 10
    while text not in stream.getvalue():
        assert time.monotonic() < end, stream.getvalue()
        time.sleep(0.005)


def test_without_a_terminal_a_line_says_what_is_done_and_how_far_it_is() -> None:
    out = io.StringIO()
    with working("train: ranking", total=3, unit="block", stream=out) as progress:
        progress.advance()
        progress.note("loss 0.5")
        wait_for(out, "  train: ranking: 0 s, 1 of 3 blocks, loss 0.5\n")
        progress.advance()
        wait_for(out, "2 of 3 blocks")
    assert "\r" not in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_in_a_terminal_one_line_is_kept_up_to_date_and_removed_at_the_end() -> None:
    out = Terminal()
    with working("load", stream=out):
        wait_for(out, "load: 0 s")
    assert out.getvalue().endswith(reporter.ERASE)
    assert "\n" not in out.getvalue()


def test_the_live_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    with working("a name that is longer than the terminal is wide", stream=out):
        wait_for(out, "a name that is lon")
    assert max(len(line) for line in out.getvalue().split(reporter.ERASE)) == 19


def test_a_line_for_the_user_stands_above_the_live_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Terminal()
    with working("load", stream=out):
        wait_for(out, "load: 0 s")
        monkeypatch.setattr(reporter, "FIRST_SECONDS", 60.0)
        say("half of it is there")
        assert out.getvalue().endswith(reporter.ERASE)
    assert capsys.readouterr().out == "half of it is there\n"


def test_a_short_step_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "FIRST_SECONDS", 60.0)
    out = io.StringIO()
    with working("short", stream=out):
        pass
    assert out.getvalue() == ""


def test_only_the_innermost_step_is_reported() -> None:
    outer, inner = io.StringIO(), io.StringIO()
    with working("outer", stream=outer):
        with working("inner", stream=inner):
            wait_for(inner, "inner")
            before = outer.getvalue()
            wait_for(inner, "inner: 0 s\n  inner: 0 s\n")
            assert outer.getvalue() == before
        wait_for(outer, "outer")


def test_many_short_steps_within_a_long_one_are_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "EVERY_SECONDS", 0.1)
    out = io.StringIO()
    with working("outer", stream=out):
        wait_for(out, "outer")
        monkeypatch.setattr(reporter, "FIRST_SECONDS", 0.05)
        end = time.monotonic() + 10
        while "inner" not in out.getvalue():
            assert time.monotonic() < end
            with working("inner", stream=out):
                time.sleep(0.03)


def test_steps_may_run_in_several_threads_at_once() -> None:
    out, both_open = io.StringIO(), threading.Barrier(2)

    def step(name: str) -> None:
        with working(name, stream=out):
            both_open.wait(10)
            wait_for(out, "0 s")

    threads = [threading.Thread(target=step, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "first" in out.getvalue() or "second" in out.getvalue()


def test_counts_of_several_threads_add_up() -> None:
    with working("count", total=4000) as progress:
        threads = [threading.Thread(target=lambda: [progress.advance() for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "4000 of 4000 steps" in progress.line()


def test_what_another_process_does_is_measured() -> None:
    out = io.StringIO()
    with working("spark", unit="task", measure=lambda: (7, 8), stream=out):
        wait_for(out, "7 of 8 tasks")


def test_a_step_goes_on_when_its_progress_cannot_be_measured() -> None:
    def gone() -> tuple[int, int]:
        raise ConnectionError("Spark has stopped")

    out = io.StringIO()
    with working("spark", unit="task", measure=gone, stream=out):
        wait_for(out, "spark: 0 s, progress unknown (Spark has stopped)\n")


def test_an_error_ends_the_report() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), working("broken", stream=out):
        wait_for(out, "broken")
        raise ValueError("broken")


def test_items_are_counted_while_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], "count")) == [1, 2, 3]
    with working("count") as progress:
        progress.advance(2)
        assert progress.line() == "count: 0 s, 2 steps"
