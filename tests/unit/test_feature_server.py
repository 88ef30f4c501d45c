import base64

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.feature_server import guarded

TOKEN = "s3cret"


def client() -> TestClient:
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/push")
    def push() -> str:
        return "taken"

    return TestClient(guarded(app, TOKEN))


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN)])
def test_who_shows_the_token_is_answered(shown: str) -> None:
    assert client().post("/push", headers={"Authorization": shown}).json() == "taken"


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN} ", basic("wrong"), "Basic ???", "Basic"]
)
def test_everybody_else_is_told_what_to_send(shown: str) -> None:
    answer = client().post("/push", headers={"Authorization": shown} if shown else {})
    assert answer.status_code == 401
    assert "Authorization: Bearer" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"] == "Basic"


def test_the_health_check_needs_no_token_and_says_nothing() -> None:
    assert client().get("/health").status_code == 200
    assert client().get("/health/../push").status_code == 401
