"""Whatever is wrong with a command is one line that begins with `recstack:`, and exit code 1."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from recstack.cli import main
from recstack.errors import UserError
from recstack.experiments import evaluate


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["recstack", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--seeds", "0"], "--seeds"),
        (["evaluate", "--seeds", "two"], "--seeds"),
        (["evaluate", "--speed", "9"], "--speed"),
        (["evaluate", "--option", "min_year"], "min_year=VALUE"),
        (
            ["evaluate", "--dataset", "movielens_25m", "--option", "min_year=abc"],
            "option min_year of movielens_25m can't be 'abc': Input should be a valid int",
        ),
        (
            ["evaluate", "--dataset", "movielens_25m", "--option", "age=9"],
            "movielens_25m has no option .age.; its options are: accept_rejected, min_year",
        ),
        (["evaluate", "--dataset", "films"], "no dataset 'films'.*movielens_25m"),
        (["evaluate", "--target", "liked"], "no target 'liked'; choose one of implicit, positive"),
        (["evaluate", "--split-at", "16.12.2022"], "--split-at.*%Y-%m-%d"),
        (["evaluate", "--dataset", "csv", "--data", "/nonesuch"], "/nonesuch/mapping.toml does not exist"),
        (["evaluate", "--protocol", "random"], "no protocol 'random'.*held-out-users, stratified"),
        (["evaluate", "--feature-option", "snapshot_every"], "snapshot_every=VALUE"),
        (["tune", "--model", "ease", "--feature-option", "every=day"], "no feature option 'every'; .*snapshot_every"),
        (
            ["evaluate", "--feature-option", "snapshot_every=week"],
            "feature option snapshot_every can't be 'week': .*'day'",
        ),
        (
            ["evaluate", "--feature-option", "lower_quantile=2"],
            "lower_quantile can't be '2': .*less than",
        ),
        (["evaluate", "--models", "popularity, best"], "no model 'best'.*popularity"),
        (["evaluate", "--dataset", "anime", "--data", "/nonesuch"], "/nonesuch/rating.parquet does not exist"),
        (["evaluate", "--out", "/nonesuch/report.json"], "/nonesuch/report.json can't be written"),
        (["evaluate", "--html", "/nonesuch/report.html"], "/nonesuch/report.html can't be written"),
        (
            ["evaluate", "--models", "popularity", "--reference", "item_item"],
            "no reference 'item_item'.*popularity",
        ),
        (["evaluate", "--staleness", "0s,2h"], "no staleness '2h'; choose one of 0s, 1h, 1d"),
        (["evaluate", "--staleness", "1d", "--protocol", "stratified"], "stratified ignores time"),
        (["evaluate", "--model-option", "neighbours=9"], "MODEL.NAME=VALUE, such as ease.neighbours=100, not neighb"),
        (["evaluate", "--model-option", "best.depth=3"], "no model 'best'.*popularity"),
        (
            ["evaluate", "--models", "popularity", "--model-option", "ease.neighbours=9"],
            "no model 'ease'; choose one of popularity",
        ),
        (["tune", "--model", "best"], "no model 'best'.*popularity"),
        (["recommend"], "give one of --user and --liked"),
        (["recommend", "--user", "1", "--liked", "50"], "give one of --user and --liked"),
        (["recommend", "--liked", "50,Alien"], "write --liked as item ids.*such as 50,181, not 50,Alien"),
        (["evaluates"], "evaluates"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_by_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path))
    assert run(monkeypatch, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(f"recstack: .*{message}", err)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["evaluate", "--dataset", "films"],
        ["evaluate", "--dataset", "movielens_25m", "--option", "age=9"],
        ["evaluate", "--models", "best"],
        ["evaluate", "--protocol", "random"],
        ["evaluate", "--model-option", "best.depth=3"],
        ["tune", "--model", "best"],
        ["demo", "--dataset", "films"],
    ],
    ids=" ".join,
)
def test_help_and_mistakes_are_answered_before_large_libraries_are_imported(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = {["recstack", *arguments]!r}
from recstack.cli import main
try:
    main()
except SystemExit:
    print("large:", *[name for name in ("torch", "feast", "mlflow", "prefect", "duckdb") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "large:"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "films"], "no dataset 'films'"),
        (["--dataset", "films", "--protocol", "random"], "no protocol 'random'"),
        (["--dataset", "synthetic", "--feature-option", "min_range=much"], "min_range can't be 'much'"),
    ],
)
def test_the_demo_says_first_what_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(monkeypatch, "demo", *arguments) == 1
    out, err = capsys.readouterr()
    assert out == f"recstack demo: from the ratings of {arguments[1]} to a model that answers requests\n"
    assert message in err


def test_help_is_no_mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "evaluate", "--help") == 0
    out, err = capsys.readouterr()
    assert "--protocol" in out
    assert err == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ease.depth=3", "ease has no option 'depth'; its options are: regularisation"),
        ("ease.neighbours=many", "option neighbours of ease can't be 'many': Input should be a valid integer"),
    ],
)
def test_a_wrong_option_of_a_model_is_answered_before_data_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    monkeypatch.setenv("RECSTACK_HOME", str(tmp_path))
    assert run(monkeypatch, "evaluate", "--models", "ease", "--model-option", text) == 1
    assert re.match(f"recstack: {message}", capsys.readouterr().err.splitlines()[-1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("more", "tuned"), [([], {}), (["--tuned"], {"neighbours": 7, "recency_power": 0.5})])
def test_evaluate_hands_a_model_its_options_which_win_over_tuned_ones(
    monkeypatch: pytest.MonkeyPatch, more: list[str], tuned: dict[str, float]
) -> None:
    got: dict[str, dict[str, object]] = {}

    def compare(*_: object, options: dict[str, dict[str, object]], **__: object) -> None:
        got.update(options)
        raise UserError("that is all")

    monkeypatch.setattr(evaluate, "prepare", lambda *_: None)
    monkeypatch.setattr(evaluate, "_tuned_options", lambda _, name: tuned if name == "ease" else {})
    monkeypatch.setattr(evaluate, "compare", compare)
    chosen = ["--model-option", "ease.neighbours=9", "--model-option", "ease.regularisation=50"]
    assert run(monkeypatch, "evaluate", "--models", "ease,popularity", *chosen, *more) == 1
    assert got == {"ease": tuned | {"neighbours": 9, "regularisation": 50}, "popularity": {}}
