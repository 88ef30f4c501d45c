"""Whatever is wrong with a command is one line that begins with `recstack:`, and exit code 1."""

import re
import sys
from pathlib import Path

import pytest

from recstack.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["recstack", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "--seeds", "0"], "--seeds"),
        (["evaluate", "--seeds", "two"], "--seeds"),
        (["evaluate", "--speed", "9"], "--speed"),
        (["evaluate", "--option", "min_year"], "min_year=VALUE"),
        (
            ["evaluate", "--dataset", "movielens_25m", "--option", "min_year=abc"],
            "min_year: Input should be a valid int",
        ),
        (["evaluate", "--dataset", "movielens_25m", "--option", "age=9"], "age.*there are: min_year"),
        (["evaluate", "--dataset", "films"], "no dataset 'films'.*movielens_25m"),
        (["evaluate", "--target", "liked"], "no target 'liked'; choose one of implicit, positive"),
        (["evaluate", "--split-at", "16.12.2022"], "--split-at.*%Y-%m-%d"),
        (["evaluate", "--dataset", "csv", "--data", "/nonesuch"], "/nonesuch/mapping.toml does not exist"),
        (["evaluate", "--protocol", "random"], "no protocol 'random'.*held-out-users, stratified"),
        (["evaluate", "--models", "popularity, best"], "no model 'best'.*popularity"),
        (["evaluate", "--dataset", "anime", "--data", "/nonesuch"], "/nonesuch/rating.parquet does not exist"),
        (["evaluate", "--out", "/nonesuch/report.json"], "/nonesuch/report.json can't be written"),
        (["evaluate", "--html", "/nonesuch/report.html"], "/nonesuch/report.html can't be written"),
        (
            ["evaluate", "--models", "popularity", "--reference", "item_item"],
            "no reference 'item_item'.*popularity",
        ),
        (["evaluates"], "evaluates"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_by_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path))
    assert run(monkeypatch, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(f"recstack: .*{said}", err)
    assert not list(tmp_path.rglob("*.json"))


def test_help_is_no_mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "evaluate", "--help") == 0
    out, err = capsys.readouterr()
    assert "--protocol" in out
    assert err == ""
