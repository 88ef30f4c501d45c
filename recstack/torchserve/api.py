"""The calls of TorchServe's REST API that recstack makes, with its tokens and with errors for people."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx

from recstack.errors import UserError

TIMEOUT_SECONDS: Final = 30.0


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

    def token(self, kind: Literal["management", "inference"]) -> str:
        """The current token; TorchServe writes new ones whenever it starts.

        Raises:
            TorchServeError: there is no readable key file.
        """
        try:
            return str(json.loads(self.keys.read_text())[kind]["key"])
        except (OSError, ValueError, KeyError) as error:
            raise TorchServeError(
                f"no {kind} token in {self.keys} ({error!r}): is TorchServe started, and is TORCHSERVE_KEYS right?"
            ) from None

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
        kind: Literal["management", "inference"],
        method: str,
        path: str,
        timeout: float = TIMEOUT_SECONDS,
        *,
        query: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Any:
        base = self.management_url if kind == "management" else self.inference_url
        headers = {"Authorization": f"Bearer {self.token(kind)}"}
        try:
            answer = self._client.request(
                method, base + path, params=query, json=body, headers=headers, timeout=timeout
            )
        except httpx.TransportError as error:
            raise TorchServeError(f"TorchServe does not answer at {base} ({error}): is it started?") from None
        if answer.is_error:
            raise TorchServeError(f"TorchServe refused {method} {path}: {_message(answer.text)}", answer.status_code)
        return answer.json()


def _message(text: str) -> str:
    """The message of TorchServe's error JSON, or the text that came instead."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
