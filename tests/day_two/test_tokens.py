"""Tokens of a real TorchServe that last twelve seconds are renewed in time."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tiny_serving import torchserve_addresses

from recstack.settings import Settings
from recstack.torchserve.api import TorchServeError
from recstack.torchserve.server import CONFIG, Server, server_of, start_server, stop_server
from recstack.torchserve.tokens import TokenRenewal

pytestmark = pytest.mark.xdist_group("tokens")  # its fixtures are built once

MINUTES = 0.2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tokens")
    settings = Settings(
        recstack_home=folder / "home",
        model_store=folder / "store",
        **torchserve_addresses(),
    )
    config = folder / "config.properties"
    config.write_text(CONFIG.read_text().replace("token_expiration_min=43200", f"token_expiration_min={MINUTES}"))
    server = replace(server_of(settings), config=config)
    start_server(server)
    try:
        yield server
    finally:
        stop_server(server)


def ping(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.inference_url}/ping", headers=headers, timeout=10).status_code


def test_the_token_in_the_key_file_is_always_valid_while_it_is_renewed(server: Server) -> None:
    renewal = TokenRenewal(server.api)
    tokens = []
    end = time.monotonic() + 3 * MINUTES * 60
    while time.monotonic() < end:
        renewal.renew_due()
        tokens.append(server.api.token("inference"))
        assert ping(server, tokens[-1]) == 200
        assert server.api.versions("recstack") == {}, "the management token is valid"
        time.sleep(0.2)
    assert len(set(tokens)) >= 3
    assert ping(server, tokens[0]) == 400, "an old one is not"


def test_a_client_renews_a_token_that_has_expired(server: Server) -> None:
    old = server.api.token("inference")
    deadline = time.monotonic() + 60
    while ping(server, old) == 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert server.api.healthy()
    assert server.api.token("inference") != old
    assert server.api.versions("recstack") == {}


def test_the_key_file_stays_for_its_owner_alone_and_a_wrong_one_is_refused(server: Server, tmp_path: Path) -> None:
    assert server.api.keys.stat().st_mode & 0o077 == 0
    wrong = tmp_path / "key_file.json"
    keys = json.loads(server.api.keys.read_text())
    wrong.write_text(json.dumps({kind: {**entry, "key": "wrong"} for kind, entry in keys.items()}))
    api = replace(server.api, keys=wrong)
    with pytest.raises(TorchServeError, match="refused GET"):
        api.versions("recstack")
    with pytest.raises(TorchServeError, match="refused GET /token"):
        api.renew_token("inference")
