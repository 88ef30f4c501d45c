import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT

SCRIPT = ROOT / "infra" / "require_java.sh"


def ask(folder: Path, banner: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the check where nothing but `java` with this banner is installed (and so no apt-get)."""
    tools = folder / "bin"
    tools.mkdir(parents=True)
    for tool in ("bash", "id"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    if banner is not None:
        java = tools / "java"
        java.write_text(f"#!{shutil.which('bash')}\necho '{banner}' >&2\n")
        java.chmod(0o755)
    return subprocess.run(
        ["bash", str(SCRIPT)],
        env={"PATH": str(tools), **environment},
        capture_output=True,
        text=True,
        check=False,
        executable=shutil.which("bash"),
    )


@pytest.mark.parametrize(
    "banner",
    ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21" 2023-09-19', 'java version "24-ea" 2025-03-18'],
)
def test_java_17_or_newer_is_accepted_in_silence(tmp_path: Path, banner: str) -> None:
    done = ask(tmp_path, banner)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ('java version "1.8.0_392"', "8"),
        ('openjdk version "11.0.2" 2019-01-15', "11"),
        ('openjdk version "9" 2017', "9"),
    ],
)
def test_an_older_java_is_named_with_the_line_that_installs_a_newer_one(
    tmp_path: Path, banner: str, version: str
) -> None:
    done = ask(tmp_path, banner)
    assert done.returncode == 1
    assert f"java is Java {version}." in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr


def test_without_java_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    done = ask(tmp_path, None)
    assert done.returncode == 1
    assert "java does not run" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr


def test_java_home_goes_before_the_path_and_is_named_when_it_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "bin").mkdir(parents=True)
    (old / "bin" / "java").write_text(f"#!{shutil.which('bash')}\necho 'version \"1.8.0_392\"' >&2\n")
    os.chmod(old / "bin" / "java", 0o755)
    done = ask(tmp_path / "new", 'openjdk version "21.0.1"', JAVA_HOME=str(old))
    assert done.returncode == 1
    assert f"JAVA_HOME is {old}: point it to a newer one, or unset it." in done.stderr


def test_on_debian_root_gets_java_installed_by_itself(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    bash = shutil.which("bash")
    installs = f'#!{bash}\nprintf \'#!{bash}\\necho version \\\\"17.0.15\\\\" >&2\\n\' >"{tools}/java"\n'
    scripts = {
        "id": "echo 0",
        "mkdir": "true",
        "apt-get": f'[[ $1 == install ]] || exit 0\necho "$@" >"{tmp_path}/asked"\n{installs}chmod +x "{tools}/java"',
    }
    for name, body in scripts.items():
        (tools / name).write_text(f"#!{bash}\n{body}\n")
        (tools / name).chmod(0o755)
    (tools / "chmod").symlink_to(shutil.which("chmod") or "chmod")
    done = subprocess.run(
        [str(bash), str(SCRIPT)], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().split()[-1] == "openjdk-17-jre-headless"
