"""Starts and stops the web pages of Prefect and MLflow on the embedded state."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpx

from recstack.settings import Settings
from recstack.torchserve.background import BackgroundServer

START_SECONDS: Final = 120


def start_pages(settings: Settings) -> list[str]:
    """Start the servers that do not run yet and wait until they answer.

    Returns:
        One line for each page, with its name and address.

    Raises:
        ServerError: a port is taken, or a server ends or does not answer; with the end of its log.
    """
    pages = list(_pages(settings))
    for page in pages:
        if page.process is None:
            page.launch()
    for page in pages:
        page.wait_until_it_answers(START_SECONDS)
    return [f"{page.name:<8} {address}" for page in pages for address in page.addresses.values()]


def stop_pages(settings: Settings) -> None:
    """End the servers that `start_pages` started, and nothing else; does nothing where none runs."""
    for page in _pages(settings):
        page.stop()


def _pages(settings: Settings) -> Iterator[BackgroundServer]:
    prefect, mlflow = settings.prefect_page.rstrip("/"), settings.mlflow_page.rstrip("/")
    command = ("prefect", "server", "start", *_bind(prefect))
    yield _page("Prefect", "PREFECT_PAGE", prefect, "/api/health", command, settings)
    stores = ("--backend-store-uri", settings.tracking_uri, "--artifacts-destination", settings.artifacts)
    command = ("mlflow", "server", *_bind(mlflow), "--workers", "1", *stores)
    yield _page("MLflow", "MLFLOW_PAGE", mlflow, "/health", command, settings)


def _page(
    name: str, setting: str, address: str, health: str, command: tuple[str, ...], settings: Settings
) -> BackgroundServer:
    home = settings.recstack_home.resolve()
    return BackgroundServer(
        name=name,
        command=(sys.executable, "-m", *command),
        home=home / "web",
        environment={
            **settings.child_environment(),
            "PREFECT_HOME": str(home / "prefect"),
            # Without it the page's scripts ask port 4200.
            "PREFECT_UI_API_URL": f"{settings.prefect_page.rstrip('/')}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # saves processes that only language models need
        },
        addresses={setting: address},
        answers=partial(_answers, address + health),
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _bind(address: str) -> tuple[str, ...]:
    parts = urlsplit(address)
    return "--host", parts.hostname or "127.0.0.1", "--port", str(parts.port or 80)
