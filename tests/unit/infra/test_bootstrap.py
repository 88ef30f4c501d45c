import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT

# A Python 3.11 without network: its `pip install uv` installs a uv that logs its arguments, and dies if `die` exists.
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.13.9 (stand-in)"; exit; }
echo "$*" >>installed.log
env | grep ^UV_ | sort >environment.log
[ -e die ] && kill -9 $PPID
[ -e slow ] && sleep 1
exit 0
"""
PYTHON = """#!/bin/sh
case "$*" in
--version) echo Python 3.11.99 ;;
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo new >>venvs.log ;;
"-m pip install"*) cp uv-stand-in .venv/bin/uv && chmod +x .venv/bin/uv ;;
"-m pip config list") cat pip-config ;;
esac
"""


class Checkout:
    """A folder with our bootstrap and lock, and a PATH that begins with stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "infra").mkdir()
        for file in ("infra/bootstrap.sh", "infra/package_index.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / file, folder / file)
        (folder / "uv-stand-in").write_text(UV)
        (folder / "pip-config").touch()

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


def test_without_python_3_11_the_message_says_what_to_install(checkout: Checkout) -> None:
    checkout.python("#!/bin/sh\nexit 1\n")
    done = checkout.bootstrap()
    assert done.returncode == 1
    assert "Python 3.11 with its venv module is needed; neither python3.11 nor python3 is one." in done.stderr
    assert "apt-get install python3.11-venv" in done.stderr
    assert not (checkout.folder / ".venv").exists()


def test_a_complete_environment_is_left_alone_until_the_lock_changes(checkout: Checkout) -> None:
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


def test_uv_takes_packages_from_the_indexes_that_pip_is_configured_with(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    (checkout.folder / "pip-config").write_text(
        ":env:.find-links='/wheels https://wheels.example'\n"
        "global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'\n"
        "global.find-links='/overridden'\n"
        "global.index-url='https://packages.example/simple'\n"
    )
    assert checkout.bootstrap().returncode == 0
    assert checkout.lines("environment.log") == [
        "UV_DEFAULT_INDEX=https://packages.example/simple",
        "UV_FIND_LINKS=/wheels,https://wheels.example",
        "UV_INDEX= https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY=unsafe-best-match",
    ]


def test_a_setting_of_uv_wins_over_one_of_pip_and_nothing_is_set_without_one(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    (checkout.folder / "pip-config").write_text("global.index-url='https://packages.example/simple'\n")
    assert checkout.bootstrap(UV_DEFAULT_INDEX="https://mine.example/simple").returncode == 0
    assert checkout.lines("environment.log") == ["UV_DEFAULT_INDEX=https://mine.example/simple"]


def test_the_build_of_torch_can_be_chosen_and_everything_else_is_locked(checkout: Checkout) -> None:
    checkout.python(PYTHON)
    assert checkout.bootstrap(TORCH_BACKEND="cpu").returncode == 0
    requirements, package = checkout.lines("installed.log")
    assert requirements.endswith("--torch-backend cpu --requirement requirements.lock")
    assert package.endswith("--no-deps --editable .")
