import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT

# A Python 3.11 without network: its `pip install uv` gives a uv that notes what it installs, and dies where told so.
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.13.9 (stand-in)"; exit; }
echo "$*" >>installed.log
[ -e die ] && kill -9 $PPID
[ -e slow ] && sleep 1
exit 0
"""
PYTHON = """#!/bin/sh
case "$*" in
--version) echo Python 3.11.99 ;;
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo new >>venvs.log ;;
"-m pip install"*) cp uv-stand-in .venv/bin/uv && chmod +x .venv/bin/uv ;;
esac
"""


class Checkout:
    """A folder with our bootstrap and lock, and a PATH that begins with stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "infra").mkdir()
        for file in ("infra/bootstrap.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / file, folder / file)
        (folder / "uv-stand-in").write_text(UV)

    def python(self, script: str) -> None:
        (self.folder / "bin").mkdir()
        for name in ("python3.11", "python3"):
            (self.folder / "bin" / name).write_text(script)
            (self.folder / "bin" / name).chmod(0o755)

    def launch(self, **environment: str) -> subprocess.Popen[str]:
        environment = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **environment}
        command = ["bash", str(self.folder / "infra" / "bootstrap.sh")]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def bootstrap(self, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.launch(**environment)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def lines(self, log: str) -> list[str]:
        file = self.folder / log
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_machine_without_python_3_11_is_told_what_to_install(checkout: Checkout) -> None:
    checkout.python("#!/bin/sh\nexit 1\n")
    done = checkout.bootstrap()
    assert done.returncode == 1
    assert "Python 3.11 with its venv module is needed; neither python3.11 nor python3 is one." in done.stderr
    assert "apt-get install python3.11-venv" in done.stderr
    assert not (checkout.folder / ".venv").exists()


def test_an_environment_that_stands_is_left_alone_until_the_lock_changes(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    assert checkout.bootstrap().returncode == 0
    assert len(checkout.lines("installed.log")) == 2  # the lock, and this package
    done = checkout.bootstrap()
    assert (done.returncode, done.stderr, len(checkout.lines("installed.log"))) == (0, "", 2)
    with (checkout.folder / "requirements.lock").open("a") as lock:
        lock.write("one-more==1\n")
    assert checkout.bootstrap().returncode == 0
    assert len(checkout.lines("installed.log")) == 4
    assert checkout.lines("venvs.log") == ["new"]


def test_an_install_that_was_killed_is_repaired_from_nothing(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    (checkout.folder / "die").touch()
    assert checkout.bootstrap().returncode == -9
    (checkout.folder / "die").unlink()
    done = checkout.bootstrap()
    assert done.returncode == 0
    assert "the last install did not finish; starting again" in done.stderr
    assert checkout.lines("venvs.log") == ["new", "new"]
    assert checkout.bootstrap().stderr == ""


def test_two_at_once_install_once(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    (checkout.folder / "slow").touch()
    both = [checkout.launch(), checkout.launch()]
    messages = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], messages
    assert len(checkout.lines("installed.log")) == 2
    assert sorted(message != "" for message in messages) == [False, True]  # one installed, one only waited


def test_wheels_and_indexes_of_the_environment_reach_the_installer(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    assert checkout.bootstrap(PIP_FIND_LINKS="/my wheels", TORCH_INDEX="https://torch.example/cpu").returncode == 0
    requirements, package = checkout.lines("installed.log")
    assert "--find-links /my wheels --extra-index-url https://torch.example/cpu" in requirements
    assert requirements.endswith("--requirement requirements.lock")
    assert package.endswith("--no-deps --editable .")
