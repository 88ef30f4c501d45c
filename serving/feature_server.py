"""Feast's HTTP server and web page for this deployment; both answer only requests that carry the token."""

import base64
import hmac
import sys
from collections.abc import Awaitable, Callable

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from feast import FeatureStore
from feast.feature_server import get_app as features_app
from feast.ui_server import get_app as page_app

from recstack.feature_store.config import repo_config
from recstack.settings import Settings

OPEN = {"/health"}
"""Paths that need no token, because they tell nothing: for health checks."""


def guarded(app: FastAPI, token: str) -> FastAPI:
    """The app behind `Authorization: Bearer <token>`, or the token as a browser's password for any user name."""

    @app.middleware("http")
    async def check(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path in OPEN or hmac.compare_digest(_sent_token(request).encode(), token.encode()):
            return await answer(request)
        detail = {"detail": "send the header `Authorization: Bearer <FEAST_TOKEN>`"}
        return JSONResponse(detail, status_code=401, headers={"WWW-Authenticate": "Basic"})

    return app


def _sent_token(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return value
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def main() -> None:
    """`features` serves reads and pushes at port 6566, `page` the web page at 8888."""
    settings = Settings()
    if not settings.feast_token:
        sys.exit("FEAST_TOKEN is not set: without it Feast would answer everyone")
    store = FeatureStore(config=repo_config(settings))
    if sys.argv[1] == "page":
        app, port = page_app(store, settings.dataset), 8888
    else:
        app, port = features_app(store), 6566
    uvicorn.run(guarded(app, settings.feast_token), host="0.0.0.0", port=port, log_level="warning")


if __name__ == "__main__":
    main()
