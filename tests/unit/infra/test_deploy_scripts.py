"""The scripts of `make deploy` that need no Docker: secrets, settings, and the messages before anything starts."""

import os
import shutil
import socket
import stat
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra import deployment

INFRA = Path(__file__).parents[3] / "infra"
PORTS = ("TORCHSERVE", "PREFECT", "MLFLOW", "FEAST", "FEAST_UI", "SPARK", "PROMETHEUS", "GRAFANA")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "infra").mkdir()
    for script in ("secrets.sh", "preflight.sh", "compose.sh"):
        shutil.copy(INFRA / script, tmp_path / "infra")
    return tmp_path


def run(checkout: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "infra" / script, *arguments],
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


def test_secrets_that_env_has_are_kept_and_missing_ones_are_added(checkout: Path) -> None:
    (checkout / ".env").write_text("REDIS_PASSWORD=mine\nSPARK_DRIVER_MEMORY=3g\n")
    run(checkout, "secrets.sh")
    first = (checkout / ".env").read_text()
    assert first.startswith("REDIS_PASSWORD=mine\nSPARK_DRIVER_MEMORY=3g\n")
    assert first.count("REDIS_PASSWORD=") == 1
    run(checkout, "secrets.sh")
    assert (checkout / ".env").read_text() == first


def machine(
    folder: Path,
    compose: str = "2.26.1",
    memory_gib: int = 16,
    disk_gib: int = 40,
    images: bool = False,
    volume: str = "",
) -> str:
    """A PATH whose `docker` and `df` describe such a machine: this tests our messages, not Docker."""
    folder.mkdir()
    answers = {
        "docker": f'case "$*" in "compose version --short") echo {compose} ;; *DockerRootDir*) echo / ;;\n'
        f"*MemTotal*) echo {memory_gib * 1024**3} ;; image*) exit {int(not images)} ;;\n"
        f"volume*) echo {volume} ;; esac\n",
        "df": f"echo Avail; echo {disk_gib * 1024**3}\n",
    }
    for name, answer in answers.items():
        (folder / name).write_text("#!/bin/sh\n" + answer)
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_without_docker_the_message_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "env", "dirname", "sed", "sort", "head", "tail", "df"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    done = run(checkout, "preflight.sh", PATH=str(tools))
    assert done.returncode == 1
    assert "Docker is missing" in done.stderr


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"compose": "1.29.2"}, "Compose 1.29.2 is too old"),
        ({"memory_gib": 4}, "4 GiB of memory"),
        ({"disk_gib": 8}, "8 GiB free"),
        ({"disk_gib": 2, "images": True}, "2 GiB free"),
    ],
)
def test_a_machine_that_is_too_old_or_too_small_is_refused_with_the_reason(
    checkout: Path, tmp_path: Path, described: dict[str, Any], message: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nothing answers there
        free = {f"{name}_PORT": str(unused.getsockname()[1]) for name in PORTS}
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", **described), **free)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_deployment_needs_no_room_for_images_that_it_has(checkout: Path, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = {f"{name}_PORT": str(unused.getsockname()[1]) for name in PORTS}
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", disk_gib=8, images=True), **free)
    assert (done.returncode, done.stderr) == (0, "")


def test_data_whose_passwords_are_in_another_folder_is_never_started_with_new_ones(
    checkout: Path, tmp_path: Path
) -> None:
    path = machine(tmp_path / "bin", volume="recstack_postgres")
    refused = run(checkout, "preflight.sh", PATH=path)
    assert refused.returncode == 1
    assert "copy the .env of its folder" in refused.stderr and "make destroy" in refused.stderr
    assert not (checkout / ".env").exists()
    run(checkout, "secrets.sh")
    assert "copy the .env" not in run(checkout, "preflight.sh", PATH=path).stderr


def test_a_taken_port_is_named_with_the_setting_to_change(checkout: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(checkout, "preflight.sh", PATH=machine(tmp_path / "bin", memory_gib=4), MLFLOW_PORT=str(port))
    assert done.returncode == 1
    assert "4 GiB of memory" in done.stderr, "one run names everything that is wrong"
    assert f"port {port} is taken by another program" in done.stderr
    assert "MLFLOW_PORT" in done.stderr


def test_images_are_built_with_packages_from_the_index_of_this_machine(checkout: Path, tmp_path: Path) -> None:
    tools, home = tmp_path / "tools", tmp_path / "home"
    for folder in (tools, home / ".config" / "pip"):
        folder.mkdir(parents=True)
    (tools / "docker").write_text('#!/bin/sh\necho "$PACKAGE_INDEX"\n')
    (tools / "docker").chmod(0o755)
    (checkout / ".env").touch()
    machine = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home), "PIP_INDEX_URL": ""}

    (home / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://pip.example/simple\n")
    assert run(checkout, "compose.sh", "build", **machine).stdout == "https://pip.example/simple\n"
    machine["PIP_INDEX_URL"] = "https://other.example/simple"
    assert run(checkout, "compose.sh", "build", **machine).stdout == "https://other.example/simple\n"


def test_a_setting_of_the_environment_wins_over_env(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "ROOT", checkout)
    (checkout / ".env").write_text("# MLFLOW_PORT=1\nMLFLOW_PORT=15000\n")
    monkeypatch.delenv("MLFLOW_PORT", raising=False)
    assert deployment.url("MLFLOW_PORT", "/") == "http://127.0.0.1:15000/"
    assert deployment.url("SPARK_PORT", "/") == "http://127.0.0.1:8088/"
    monkeypatch.setenv("MLFLOW_PORT", "25000")
    assert deployment.url("MLFLOW_PORT", "/") == "http://127.0.0.1:25000/"


def test_an_error_status_is_a_reply_and_a_server_that_is_away_is_waited_for() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(SystemExit, match="BROKEN not within 1 s: it answers"):
            deployment.until(lambda: deployment.request(address), "it answers", 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        assert deployment.until(lambda: deployment.request(address), "it answers", 10).status == 200
        assert deployment.request(f"{address}nowhere").status == 404
        server.shutdown()
