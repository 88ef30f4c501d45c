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
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


@pytest.mark.parametrize("sent", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN)])
def test_a_request_with_the_token_is_answered(sent: str) -> None:
    assert client().post("/push", headers={"Authorization": sent}).json() == "taken"


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN} ", basic("wrong"), "Basic ???", "Basic"]
)
def test_any_other_request_is_refused_with_the_header_to_send(sent: str) -> None:
    answer = client().post("/push", headers={"Authorization": sent} if sent else {})
    assert answer.status_code == 401
    assert "Authorization: Bearer" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"] == "Basic"


def test_only_the_health_check_needs_no_token() -> None:
    assert client().get("/health").status_code == 200
    assert client().get("/health/../push").status_code == 401
