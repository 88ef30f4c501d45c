"""The scripts of `make deploy` that need no Docker: secrets, and what is said before anything starts."""

import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

INFRA = Path(__file__).parents[3] / "infra"
PORTS = ("TORCHSERVE", "PREFECT", "MLFLOW", "FEAST", "FEAST_UI", "SPARK", "PROMETHEUS", "GRAFANA")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "infra").mkdir()
    for script in ("secrets.sh", "preflight.sh"):
        shutil.copy(INFRA / script, tmp_path / "infra")
    return tmp_path


def run(checkout: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "infra" / script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_secrets_are_random_private_and_silent(checkout: Path, tmp_path: Path) -> None:
    done = run(checkout, "secrets.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file = checkout / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = dict(line.split("=") for line in file.read_text().splitlines() if not line.startswith("#"))
    assert len(set(secrets.values())) == len(secrets) >= 12
    assert all(len(secret) == 48 for secret in secrets.values())


def test_what_stands_in_env_is_kept_and_only_what_lacks_is_added(checkout: Path) -> None:
    (checkout / ".env").write_text("REDIS_PASSWORD=mine\nSPARK_DRIVER_MEMORY=3g\n")
    run(checkout, "secrets.sh")
    first = (checkout / ".env").read_text()
    assert first.startswith("REDIS_PASSWORD=mine\nSPARK_DRIVER_MEMORY=3g\n")
    assert first.count("REDIS_PASSWORD=") == 1
    run(checkout, "secrets.sh")
    assert (checkout / ".env").read_text() == first


def machine(
    folder: Path, compose: str = "2.26.1", memory_gib: int = 16, disk_gib: int = 40, images: bool = False
) -> str:
    """A PATH whose `docker` and `df` tell of the machine described: this tests our messages, not Docker."""
    folder.mkdir()
    answers = {
        "docker": f'case "$*" in "compose version --short") echo {compose} ;; *DockerRootDir*) echo / ;;\n'
        f"*MemTotal*) echo {memory_gib * 1024**3} ;; image*) exit {int(not images)} ;; esac\n",
        "df": f"echo Avail; echo {disk_gib * 1024**3}\n",
    }
    for name, answer in answers.items():
        (folder / name).write_text("#!/bin/sh\n" + answer)
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_machine_without_docker_is_told_what_to_install(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "env", "dirname", "sed", "sort", "head", "tail", "df"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    done = run(checkout, "preflight.sh", PATH=str(tools))
    assert done.returncode == 1
    assert "Docker is missing" in done.stderr


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"compose": "1.29.2"}, "Compose 1.29.2 is too old"),
        ({"memory_gib": 4}, "4 GiB of memory"),
        ({"disk_gib": 8}, "8 GiB free"),
        ({"disk_gib": 2, "images": True}, "2 GiB free"),
    ],
)
def test_too_old_or_too_small_is_said(checkout: Path, tmp_path: Path, described: dict[str, Any], told: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers there
        free = {f"{name}_PORT": str(unused.getsockname()[1]) for name in PORTS}
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", **described), **free)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_deployment_needs_no_room_for_images_that_it_has(checkout: Path, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = {f"{name}_PORT": str(unused.getsockname()[1]) for name in PORTS}
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", disk_gib=8, images=True), **free)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_taken_port_is_named_with_the_setting_to_change(checkout: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", memory_gib=4), MLFLOW_PORT=str(port))
    assert done.returncode == 1
    assert "4 GiB of memory" in done.stderr, "all that is wrong is said at once"
    assert f"port {port} is taken by another program" in done.stderr
    assert "MLFLOW_PORT" in done.stderr
