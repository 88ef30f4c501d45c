"""The error of a request that cannot be answered, in words for those who call the API."""

import json
from typing import Any

_SHOWN = 60
"""Characters of a wrong value that an error repeats."""


class BadRequestError(ValueError):
    """A request that cannot be answered."""

    def __init__(self, field: str, reason: str) -> None:
        """Keep the path of the field ("liked.2") and the reason, both for people."""
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_json(body: object) -> Any:
    """The values of a request body; a body that a server has read already is returned as it is.

    Raises:
        BadRequestError: the body is empty or not JSON.
    """
    if body is None or body in (b"", ""):
        raise BadRequestError("body", "is empty; send JSON with the header Content-Type: application/json")
    if not isinstance(body, (str, bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise BadRequestError("body", f"is not JSON: {error}") from None
    except UnicodeDecodeError:
        raise BadRequestError("body", "is not JSON: it is not a text in UTF-8") from None
    except RecursionError:
        raise BadRequestError("body", "has too many lists or objects within each other") from None
    except ValueError:  # Python converts no more than 4300 digits
        raise BadRequestError("body", "has a number of too many digits") from None


def describe(value: object) -> str:
    """A value as its sender wrote it, long ones by their size."""
    if isinstance(value, (list, tuple)):
        return f"a list of length {len(value)}"
    if isinstance(value, dict):
        return f"an object with {len(value)} field{'' if len(value) == 1 else 's'}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
