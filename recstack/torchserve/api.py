"""The calls of TorchServe's REST API that recstack makes, with its tokens and with errors for people."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx

from recstack.errors import UserError

TIMEOUT_SECONDS: Final = 30.0
READ_ATTEMPTS: Final = 5
READ_PAUSE_SECONDS: Final = 0.1
UNAUTHORIZED: Final = (400, 401)
"""TorchServe answers 400 to a wrong token, a gateway 401."""

Kind = Literal["management", "inference"]
"""Of a token, and of the port that asks for it."""


class TorchServeError(UserError):
    """TorchServe could not be reached or refused; `status` is the HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        """Keep the message and the status."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Api:
    """One TorchServe. Threads may share it."""

    inference_url: str
    management_url: str
    keys: Path
    """Its key_file.json."""

    def token(self, kind: Kind) -> str:
        """The current token; TorchServe writes new ones when it starts and when they are renewed.

        Raises:
            TorchServeError: there is no readable key file.
        """
        return self._key(kind, "key")

    def expires(self, kind: Kind) -> datetime:
        """When the current token expires.

        Raises:
            TorchServeError: there is no readable key file.
        """
        return datetime.fromisoformat(self._key(kind, "expiration time"))

    def renew_token(self, kind: Kind) -> None:
        """Have TorchServe write a new token into the key file; the old one ends at once.

        Raises:
            TorchServeError: not reachable, or the API key of the key file is not its own.
        """
        self._request("management", "GET", "/token", self._key("API", "key"), query={"type": kind})

    def _key(self, kind: Kind | Literal["API"], field: str) -> str:
        for attempt in range(READ_ATTEMPTS):
            try:
                return str(json.loads(self.keys.read_text())[kind][field])
            except (OSError, ValueError, KeyError) as error:
                problem: Exception = error
            if isinstance(problem, OSError):
                break
            time.sleep(READ_PAUSE_SECONDS * attempt)  # TorchServe is writing the file
        raise TorchServeError(
            f"no {kind} token in {self.keys} ({problem!r}): is TorchServe started, and is TORCHSERVE_KEYS right?"
        )

    def predict(
        self, model: str, body: dict[str, Any], version: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> Any:
        """Ask for recommendations; `version` asks one that is not the default."""
        path = f"/predictions/{quote(model)}" + (f"/{quote(version)}" if version else "")
        return self._call("inference", "POST", path, timeout, body=body)

    def healthy(self) -> bool:
        """Whether TorchServe answers its ping, with our token."""
        try:
            status = self._call("inference", "GET", "/ping", timeout=5)
        except TorchServeError:
            return False
        return bool(status.get("status") == "Healthy")

    def versions(self, model: str) -> dict[str, dict[str, Any]]:
        """TorchServe's description of each registered version, by version; empty for an unknown model."""
        try:
            found = self._call("management", "GET", f"/models/{quote(model)}/all")
        except TorchServeError as error:
            if error.status == 404:
                return {}
            raise
        return {entry["modelVersion"]: entry for entry in found}

    def default_version(self, model: str) -> str:
        """The version that answers when none is named."""
        return str(self._call("management", "GET", f"/models/{quote(model)}")[0]["modelVersion"])

    def register(self, archive: str, *, workers: int, batch_size: int, max_batch_delay_ms: int, timeout: float) -> None:
        """Register an archive of the model store by its file name and wait until its workers are ready."""
        query: dict[str, str | int] = {
            "url": archive,
            "initial_workers": workers,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay_ms,
            "synchronous": "true",
        }
        self._call("management", "POST", "/models", timeout, query=query)

    def set_default(self, model: str, version: str) -> None:
        """Make a version the one that answers."""
        self._call("management", "PUT", f"/models/{quote(model)}/{quote(version)}/set-default")

    def unregister(self, model: str, version: str) -> None:
        """Remove a version, which must not be the default unless it is the last one."""
        self._call("management", "DELETE", f"/models/{quote(model)}/{quote(version)}")

    @cached_property
    def _client(self) -> httpx.Client:
        """Keeps connections open. It does not retry: callers poll, or are tasks with retries."""
        return httpx.Client(trust_env=False)  # no proxy stands between recstack and its TorchServe

    def _call(
        self,
        kind: Kind,
        method: str,
        path: str,
        timeout: float = TIMEOUT_SECONDS,
        *,
        query: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Any:
        """A call with the current token; once more if that has expired or was renewed in the meantime."""
        token = self.token(kind)
        try:
            return self._request(kind, method, path, token, timeout, query=query, body=body).json()
        except TorchServeError as error:
            if error.status not in UNAUTHORIZED:
                raise
            if self.token(kind) == token and self.expires(kind) <= datetime.now(UTC):
                self.renew_token(kind)
            if self.token(kind) == token:
                raise
            return self._request(kind, method, path, self.token(kind), timeout, query=query, body=body).json()

    def _request(
        self,
        kind: Kind,
        method: str,
        path: str,
        token: str,
        timeout: float = TIMEOUT_SECONDS,
        *,
        query: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
    ) -> httpx.Response:
        base = self.management_url if kind == "management" else self.inference_url
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = self._client.request(
                method, base + path, params=query, json=body, headers=headers, timeout=timeout
            )
        except httpx.TransportError as error:
            raise TorchServeError(f"TorchServe does not answer at {base} ({error}): is it started?") from None
        if answer.is_error:
            raise TorchServeError(f"TorchServe refused {method} {path}: {_message(answer.text)}", answer.status_code)
        return answer


def _message(text: str) -> str:
    """The message of TorchServe's error JSON, or the text that came instead."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
