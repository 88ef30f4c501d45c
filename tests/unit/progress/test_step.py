import io
import time

import pytest

from recstack.progress import step, track, working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundredths of the real waiting times."""
    for name in ("FIRST_SECONDS", "EVERY_SECONDS", "_REFRESH_SECONDS"):
        monkeypatch.setattr(step, name, 0.05)


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
        wait_for(out, "train: ranking: 0 s, 1 of 3 blocks, loss 0.5\n")
        progress.advance()
        wait_for(out, "2 of 3 blocks")
    assert "\r" not in out.getvalue()


def test_in_a_terminal_one_line_is_kept_up_to_date_and_removed_at_the_end() -> None:
    out = Terminal()
    with working("load", stream=out):
        wait_for(out, "\rload: 0 s")
    assert out.getvalue().endswith("\r")
    assert "\n" not in out.getvalue()


def test_a_short_step_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "FIRST_SECONDS", 60.0)
    out = io.StringIO()
    with working("short", stream=out):
        pass
    assert out.getvalue() == ""


def test_only_the_innermost_step_speaks() -> None:
    outer, inner = io.StringIO(), io.StringIO()
    with working("outer", stream=outer):
        with working("inner", stream=inner):
            wait_for(inner, "inner")
            before = outer.getvalue()
            wait_for(inner, "inner: 0 s\n  inner: 0 s\n")
            assert outer.getvalue() == before
        wait_for(outer, "outer")


def test_what_another_process_does_is_measured() -> None:
    out = io.StringIO()
    with working("spark", unit="task", measure=lambda: (7, 8), stream=out):
        wait_for(out, "7 of 8 tasks")


def test_an_error_ends_the_report() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), working("broken", stream=out):
        wait_for(out, "broken")
        raise ValueError("broken")
    assert step._open == []


def test_items_are_counted_while_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], "count")) == [1, 2, 3]
    assert step._open == []
