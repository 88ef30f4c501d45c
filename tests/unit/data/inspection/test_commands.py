"""The commands `check` and `init-mapping`: what they print, their exit codes, and what they do not import."""

import subprocess
import sys
from pathlib import Path

import pytest

from recstack.cli import main
from recstack.data.adapters.mapping import FILE


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["recstack", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"{n // 8},{n % 13},{n % 5 + 1},{1_600_000_000 + 3601 * n}\n" for n in range(200))
    (tmp_path / "log.csv").write_text(f"user,item,rating,ts\n{rows}")
    return tmp_path


def test_from_files_to_a_mapping_that_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "init-mapping", str(folder)) == 0
    assert f"wrote {folder / FILE}; now: recstack check --data {folder}" in capsys.readouterr().out
    assert run(monkeypatch, "check", "--dataset", "csv", "--data", str(folder)) == 0
    assert f"The data can be used: recstack evaluate --dataset csv --data {folder}" in capsys.readouterr().out
    assert run(monkeypatch, "init-mapping", str(folder)) == 1
    assert "is there already" in capsys.readouterr().err


def test_data_that_can_not_be_used_give_exit_code_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / FILE).write_text('[interactions]\nfile = "log.csv"\nuser = "user"\nitem = "item"\ntime = "rating"\n')
    assert run(monkeypatch, "check", "--data", str(folder)) == 1
    assert "The data can't be used." in capsys.readouterr().out


def test_a_known_layout_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "init-mapping", str(folder), "--like", "films") == 1
    assert "there is no layout 'films'; choose one of amazon-2014" in capsys.readouterr().err


def test_check_starts_no_spark_and_no_prefect(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recstack.data.inspection.check import check_folder;"
        f"check_folder('csv', Path({str(folder)!r}));"
        "print([name for name in ('pyspark', 'prefect', 'torch', 'feast', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
