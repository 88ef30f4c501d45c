"""What every service of the stack promises, read from the compose files themselves."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

INFRA = Path(__file__).parents[3] / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
LOCAL: dict[str, Any] = yaml.safe_load((INFRA / "compose.local.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()
    assert str(service.get("user", "recstack")) not in {"root", "0"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_limited_restarted_checked_and_its_log_rotated(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus"} <= service.keys()
    assert service["restart"] in {"unless-stopped", "on-failure"}
    assert service["logging"]["options"]["max-size"]
    assert "healthcheck" in service


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "ports" in service])
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_torchserve_is_reached_through_the_gateway_alone() -> None:
    assert "ports" not in SERVICES["torchserve"]
    assert SERVICES["gateway"]["ports"] == ["127.0.0.1:${TORCHSERVE_PORT:-8080}:8080"]


def test_an_image_is_built_once() -> None:
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built))


def test_what_a_service_waits_for_is_there() -> None:
    for service in SERVICES.values():
        for other, wish in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert wish["condition"] in {"service_healthy", "service_completed_successfully"}


def test_upstream_images_are_pinned_and_have_a_stand_in_or_are_known_to_have_none() -> None:
    upstream = {name for name, service in SERVICES.items() if not service["image"].startswith("${IMAGE_PREFIX")}
    for name in upstream:
        _, _, tag = SERVICES[name]["image"].rpartition(":")
        assert tag[:1].isdigit() or tag[:1] == "v", f"{name} has no version"
    assert upstream - LOCAL["services"].keys() == {"grafana"}


def test_volumes_are_declared() -> None:
    used = {
        source
        for service in SERVICES.values()
        for source, *_ in (volume.split(":") for volume in service.get("volumes", []))
        if source[0] not in "./$"
    }
    assert used == COMPOSE["volumes"].keys()


def test_every_secret_that_compose_asks_for_is_made(tmp_path: Path) -> None:
    asked = {part.split(":?")[0] for part in (INFRA / "compose.yaml").read_text().split("${")[1:] if ":?" in part[:40]}
    made = (INFRA / "secrets.sh").read_text().partition("SECRETS=(")[2].partition(")")[0].split()
    assert asked == set(made)


def test_the_deployment_check_allows_a_secret_just_where_it_is_given() -> None:
    given: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for secret in re.findall(r"\$\{(\w+):\?", str(service)):
            given.setdefault(secret, set()).add(name)
    check = (INFRA / "check.sh").read_text()
    allowed = {secret: set(holders.split()) for secret, holders in re.findall(r'\[(\w+)\]="([^"]*)"', check)}
    assert allowed == given
