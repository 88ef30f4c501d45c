"""The files that describe one stack agree with each other; `make check` looks at the running one."""

import ast
import os
import re
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError

from infra.check import HOLDERS, dashboard_metrics
from infra.deployment import PORTS

INFRA = ROOT / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
LOCAL: dict[str, Any] = yaml.safe_load((INFRA / "compose.local.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COPIES = re.compile(r"^COPY (?:--\S+ )*(.+) \S+$", re.MULTILINE)
STARTED_MODULE = re.compile(r"python3? -m ([a-z_][\w.]*)")


def image_stages() -> dict[str, str]:
    """Name and text of each stage of the Dockerfile, without those that it starts from."""
    text = (INFRA / "docker" / "Dockerfile").read_text()
    parts = re.split(r"^FROM \S+ AS (\w+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def stage_of(service: str) -> str | None:
    """The stage from which a service's image is built; None for an upstream image."""
    prefix, _, name = SERVICES[service]["image"].rpartition("/")
    return name if "IMAGE_PREFIX" in prefix else None


def modules_by_service() -> dict[str, set[str]]:
    """Modules that compose files and scripts start with `python -m`, by the service that runs them."""
    found = {name: set(STARTED_MODULE.findall(_command(service))) for name, service in SERVICES.items()}
    for script in (*INFRA.rglob("*.sh"), ROOT / "Makefile", INFRA / "deployment.py"):
        for service, rest in re.findall(r'exec[", -]+T[", ]+([a-z-]+)[", ]+(.*)', script.read_text()):
            found[service] |= set(STARTED_MODULE.findall(re.sub(r'[",]+', " ", rest).replace("  ", " ")))
    found["worker"] |= set(STARTED_MODULE.findall((INFRA / "worker" / "start.sh").read_text()))
    return {name: modules for name, modules in found.items() if modules}


def _command(service: dict[str, Any]) -> str:
    parts = [*service.get("command", []), "|", *service.get("healthcheck", {}).get("test", [])]
    return " ".join(map(str, parts))


def copied(stage: str) -> set[str]:
    """What a stage copies from the checkout."""
    return {source for sources in COPIES.findall(image_stages()[stage]) for source in sources.split()}


def test_every_program_that_a_container_starts_is_in_its_image() -> None:
    started = modules_by_service()
    assert {"worker", "torchserve", "feast", "feast-ui"} <= started.keys()
    for service, modules in started.items():
        for module in modules:
            folder = Path(*module.split("."))
            path = folder / "__main__.py" if (ROOT / folder).is_dir() else folder.with_suffix(".py")
            assert (ROOT / path).is_file(), f"{service} starts {module}, which does not exist"
            assert path.parts[0] in copied(stage_of(service) or ""), f"{path.parts[0]} is not in the image of {service}"


def test_every_deployment_of_prefect_names_a_flow_that_exists() -> None:
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        file, _, function = deployment["entrypoint"].partition(":")
        defined = {node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)}
        assert function in defined
        assert Path(file).parts[0] in copied("worker")


@pytest.mark.parametrize("stage", image_stages())
def test_everything_that_an_image_copies_is_in_the_checkout_and_in_the_build_context(stage: str) -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in copied(stage):
        assert (ROOT / source).exists(), f"{source} does not exist"
        assert {source, Path(source).parts[0]} & allowed, f".dockerignore leaves out {source}"


def test_every_extra_that_an_image_installs_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = {
        extra
        for text in image_stages().values()
        for names in re.findall(r"install-extra ([\w,]+)$", text, re.MULTILINE)
        for extra in names.split(",")
    }
    assert installed - {"uv"} <= extras.keys()
    assert {"spark", "serve"} <= installed


def test_a_pinned_version_of_an_upstream_image_has_a_stand_in_without_a_registry() -> None:
    upstream = [name for name in SERVICES if stage_of(name) is None]
    for name in upstream:
        _, _, tag = SERVICES[name]["image"].rpartition(":")
        assert tag[:1].isdigit() or tag[:1] == "v", f"{name} has no version"
    assert set(upstream) - LOCAL["services"].keys() == {"grafana"}  # it has no package


def test_secrets_sh_makes_every_secret_that_compose_asks_for() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", (INFRA / "compose.yaml").read_text()))
    made = (INFRA / "secrets.sh").read_text().partition("SECRETS=(")[2].partition(")")[0].split()
    assert wanted == set(made)


def test_make_check_allows_a_secret_only_in_the_services_that_are_given_it() -> None:
    given: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for secret in re.findall(r"\$\{(\w+):\?", str(service)):
            given.setdefault(secret, set()).add(name)
    assert {secret: set(holders.split()) for secret, holders in HOLDERS.items()} == given


def test_preflight_and_make_check_know_every_published_port_and_its_setting() -> None:
    published = {
        name: int(port)
        for service in SERVICES.values()
        for mapping in service.get("ports", [])
        for name, port in re.findall(r"^127\.0\.0\.1:\$\{(\w+):-(\d+)\}:\d+$", mapping)
    }
    assert sum(len(service.get("ports", [])) for service in SERVICES.values()) == len(published)
    checked = re.findall(r"([A-Z_]+):(\d+)", (INFRA / "preflight.sh").read_text())
    assert {f"{name}_PORT": int(port) for name, port in checked} == published
    assert {**PORTS, "GRAFANA_PORT": 3000} == published


@pytest.mark.parametrize(("memory", "rows"), [(512, 384), (4096, 3072)])
def test_one_setting_is_the_memory_of_the_redis_container_and_of_its_rows(
    tmp_path: Path, memory: int, rows: int
) -> None:
    redis = SERVICES["redis"]
    assert redis["mem_limit"] == "${REDIS_MEMORY:-512}m"
    assert redis["environment"]["REDIS_MEMORY"] == "${REDIS_MEMORY:-512}"
    with started_redis(tmp_path, memory) as port:
        limit = redis_client(port, "default").info("memory")["maxmemory"]
    assert limit == rows * 2**20


def test_torchserves_user_of_redis_may_read_rows_and_nothing_else(tmp_path: Path) -> None:
    with started_redis(tmp_path, 512) as port:
        owner, reader = redis_client(port, "default"), redis_client(port, "reader")
        owner.hset("row", "field", "value")
        assert reader.hmget("row", "field") == [b"value"]
        for refused in (
            lambda: reader.hset("row", "field", "other"),
            lambda: reader.delete("row"),
            lambda: reader.flushall(),
            lambda: reader.keys(),
            lambda: reader.config_get("requirepass"),
            lambda: reader.acl_list(),
            lambda: reader.eval("return 1", 0),
        ):
            with pytest.raises(NoPermissionError):
                refused()
        with pytest.raises(AuthenticationError):
            Redis(port=port).ping()


@contextmanager
def started_redis(folder: Path, memory: int) -> Iterator[int]:
    """Redis as its container starts it, in a folder of its own and on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    lines = (INFRA / "redis" / "redis.conf").read_text().replace("dir /data", f"dir {folder}")
    (folder / "redis.conf").write_text(lines.replace("port 6379", f"port {port}"))
    passwords = {"REDIS_PASSWORD": "default-secret", "REDIS_READER_PASSWORD": "reader-secret"}
    environment = {**os.environ, **passwords, "REDIS_MEMORY": str(memory), "TMPDIR": str(folder)}
    command = ["sh", str(INFRA / "redis" / "start.sh"), str(folder / "redis.conf")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + 30
            while True:
                try:
                    redis_client(port, "default").ping()
                    break
                except RedisConnectionError:
                    assert server.poll() is None and time.monotonic() < end
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()


def redis_client(port: int, user: str) -> Redis:
    return Redis(port=port, username=user, password=f"{user}-secret")


def test_the_dashboards_ask_for_metrics_that_the_handler_counts() -> None:
    ours = {metric for metric in dashboard_metrics() if metric.startswith("recstack_")}
    assert "recstack_requests_total" in ours
    handler = (ROOT / "serving" / "handler.py").read_text()
    assert ours <= set(re.findall(r'"(recstack_\w+)"', handler))
