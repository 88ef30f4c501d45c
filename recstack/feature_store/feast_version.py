"""The Feast versions that recstack's own store classes work with; they use parts of Feast that it does not document."""

from importlib.metadata import version
from typing import Final

from recstack.errors import UserError

WRITTEN_FOR: Final = "0.67"


def require_feast(installed: str | None = None) -> None:
    """Refuse to use recstack's own store classes with a Feast that they were not written for.

    Args:
        installed: version of Feast; by default that of the installed package.

    Raises:
        UserError: it is not a 0.67 release.
    """
    found = installed or version("feast")
    if not found.startswith(f"{WRITTEN_FOR}."):
        raise UserError(
            f"recstack's own Feast stores need Feast {WRITTEN_FOR}, and {found} is installed: "
            "set FEAST_STOCK=true to use Feast's stores instead"
        )
