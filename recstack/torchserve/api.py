"""TorchServe's REST API in the few calls that recstack makes, with its tokens and with errors for people."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from recstack.errors import UserError


class TorchServeError(UserError):
    """TorchServe could not be reached or refused; `status` is the HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        """Keep the message and the status."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Api:
    """One running TorchServe."""

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

    def predict(self, model: str, body: dict[str, Any], version: str | None = None, timeout: float = 30) -> Any:
        """Ask for recommendations; `version` asks one that is not the default."""
        path = f"/predictions/{quote(model)}" + (f"/{quote(version)}" if version else "")
        return self._call("inference", "POST", path, timeout, body)

    def healthy(self) -> bool:
        """Whether TorchServe answers its ping, with our token."""
        try:
            status = self._call("inference", "GET", "/ping", timeout=5)
        except TorchServeError:
            return False
        return bool(status.get("status") == "Healthy")

    def versions(self, model: str) -> dict[str, dict[str, Any]]:
        """What TorchServe knows of each registered version; empty for an unknown model."""
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
        query = {
            "url": archive,
            "initial_workers": workers,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay_ms,
            "synchronous": "true",
        }
        self._call("management", "POST", f"/models?{urlencode(query)}", timeout)

    def scale(self, model: str, version: str, workers: int, timeout: float) -> None:
        """Set the number of workers of a version and wait for them."""
        query = urlencode({"min_worker": workers, "max_worker": workers, "synchronous": "true"})
        self._call("management", "PUT", f"/models/{quote(model)}/{quote(version)}?{query}", timeout)

    def set_default(self, model: str, version: str) -> None:
        """Let a version answer from now on."""
        self._call("management", "PUT", f"/models/{quote(model)}/{quote(version)}/set-default")

    def unregister(self, model: str, version: str) -> None:
        """Remove a version, which must not be the default unless it is the last one."""
        self._call("management", "DELETE", f"/models/{quote(model)}/{quote(version)}")

    def _call(
        self,
        kind: Literal["management", "inference"],
        method: str,
        path: str,
        timeout: float = 30,
        body: dict[str, Any] | None = None,
    ) -> Any:
        base = self.management_url if kind == "management" else self.inference_url
        request = Request(base + path, headers={"Authorization": f"Bearer {self.token(kind)}"}, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, timeout=timeout) as response:
                return json.loads(response.read())
        except HTTPError as error:
            told = error.read().decode(errors="replace")
            raise TorchServeError(f"TorchServe refused {method} {path}: {_message(told)}", error.code) from None
        except (URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise TorchServeError(f"TorchServe does not answer at {base} ({reason}): is it started?") from None


def _message(told: str) -> str:
    """The message of TorchServe's error JSON, or what it sent instead."""
    try:
        return str(json.loads(told)["message"])
    except (ValueError, KeyError, TypeError):
        return told
