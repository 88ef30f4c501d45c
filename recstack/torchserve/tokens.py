"""Renews TorchServe's tokens before they expire. TorchServe then writes the new ones into its key file."""

from datetime import UTC, datetime
from typing import Final

from recstack.torchserve.api import Api, Kind

KINDS: Final[tuple[Kind, ...]] = ("inference", "management")
SHARE: Final = 0.75
"""Of the time that a token still had when it was first seen here, after which it is renewed."""


class TokenRenewal:
    """Keeps the tokens of one TorchServe valid, if `renew_due` is called now and then."""

    def __init__(self, api: Api) -> None:
        """Look at no token yet."""
        self._api = api
        self._due: dict[Kind, tuple[str, datetime]] = {}
        """The token that was seen last, and when to renew it."""

    def renew_due(self) -> list[Kind]:
        """Renew the tokens of which little time is left; returns which ones.

        The old token ends at once: clients read the key file again, as after each start of TorchServe.

        Raises:
            TorchServeError: the key file can't be read, or TorchServe refuses.
        """
        now = datetime.now(UTC)
        renewed = []
        for kind in KINDS:
            token = self._api.token(kind)
            if kind not in self._due or self._due[kind][0] != token:
                self._due[kind] = token, now + SHARE * (self._api.expires(kind) - now)
            if self._due[kind][1] <= now:
                self._api.renew_token(kind)
                renewed.append(kind)
        return renewed
